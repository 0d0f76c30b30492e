/*
 * aws/kinesis/kinesis_faults.c: errors and delays on purpose, so that clients can be tested
 * (leat start --fault-rate, --fault-latency, --fault-seed). A call is refused before anything of
 * it is done; of a PutRecords some records may be, as on AWS.
 */
#include "aws/kinesis/kinesis_int.h"
#include "base/rng.h"

#include <stdlib.h>

struct faults {
    struct kinesis_faults wanted;
    struct os_mutex lock;
    struct rng rng; /* lock */
};

struct faults *kinesis__faults_new(const struct kinesis_faults *wanted)
{
    struct faults *faults = NEW(struct faults);
    faults->wanted = *wanted;
    os_mutex_init(&faults->lock);
    rng_init(&faults->rng, wanted->seed);
    return faults;
}

void kinesis__faults_free(struct faults *faults)
{
    if (faults != NULL) {
        os_mutex_deinit(&faults->lock);
        mem_free(faults);
    }
}

/* --- options ---------------------------------------------------------------------------------- */

static bool rate_read(str text, double *out)
{
    char copy[32];
    char *end = NULL;
    if (text.len < 1 || text.len >= (isize)sizeof copy ||
        str_find_byte(STR("0123456789."), text.data[0], 0) < 0) {
        return false;
    }
    str_copy_cstr(text, copy, (isize)sizeof copy);
    *out = strtod(copy, &end);
    return *end == '\0' && *out >= 0 && *out <= 1;
}

static err operation_rate_read(str name, str rate, struct kinesis_faults *out, struct diag *diag)
{
    const struct operation *operation = kinesis__find_operation(name);
    if (operation == NULL) {
        const char *near = kinesis__near_operation(name);
        (void)diag_set(diag, ERR_INVALID, "SRV010",
                       "--fault-rate: Kinesis has no operation \"" STR_FMT "\"", STR_ARG(name));
        if (near != NULL) {
            diag_hint(diag, "did you mean %s?", near);
        }
        return ERR_INVALID;
    }
    return rate_read(rate, &out->rates[kinesis__operation_index(operation)])
               ? OK
               : diag_set(diag, ERR_INVALID, "SRV010",
                          "--fault-rate is a number from 0 to 1, not \"" STR_FMT "\"",
                          STR_ARG(rate));
}

static err rates_read(str text, struct kinesis_faults *out, struct diag *diag)
{
    double all = 0;
    if (str_find_byte(text, '=', 0) < 0) {
        if (!rate_read(text, &all)) {
            (void)diag_set(diag, ERR_INVALID, "SRV010",
                           "--fault-rate is a number from 0 to 1, not \"" STR_FMT "\"",
                           STR_ARG(text));
            diag_hint(diag, "or a list such as PutRecords=0.1,GetRecords=0.02");
            return ERR_INVALID;
        }
        for (int i = 0; i < KINESIS_OPERATIONS; i++) {
            out->rates[i] = all;
        }
        return OK;
    }
    bool has_more = true;
    while (has_more) {
        str rate = str_split(&text, ',', &has_more);
        str name = str_split(&rate, '=', NULL);
        TRY(operation_rate_read(name, rate, out, diag));
    }
    return OK;
}

static err latency_read(str text, struct kinesis_faults *out, struct diag *diag)
{
    u64 low = 0;
    u64 high = 0;
    bool is_range = false;
    str rest = text;
    str first = str_split(&rest, '-', &is_range);
    bool is_good = str_to_u64(first, &low) == OK;
    if (is_range) {
        is_good = is_good && str_to_u64(rest, &high) == OK;
    } else {
        high = low;
    }
    is_good = is_good && low <= high && high <= KINESIS_FAULT_LATENCY_MS_MAX;
    if (!is_good) {
        (void)diag_set(diag, ERR_INVALID, "SRV010",
                       "--fault-latency is 0 to %d milliseconds, or two of them with a dash, not "
                       "\"" STR_FMT "\"",
                       KINESIS_FAULT_LATENCY_MS_MAX, STR_ARG(text));
        diag_hint(diag, "as in 20 or 10-200");
        return ERR_INVALID;
    }
    out->latency_low_ms = (u32)low;
    out->latency_high_ms = (u32)high;
    return OK;
}

err kinesis_faults_read(const char *rate, const char *latency, u64 seed, struct kinesis_faults *out,
                        struct diag *diag)
{
    *out = (struct kinesis_faults){.is_on = rate != NULL || latency != NULL, .seed = seed};
    if (rate != NULL) {
        TRY(rates_read(str_of(rate), out, diag));
    }
    return latency != NULL ? latency_read(str_of(latency), out, diag) : OK;
}

/* --- a call ------------------------------------------------------------------------------------
 */

static double roll(struct faults *faults)
{
    os_mutex_lock(&faults->lock);
    double unit = rng_unit(&faults->rng);
    os_mutex_unlock(&faults->lock);
    return unit;
}

u32 kinesis__fault_delay_ms(struct faults *faults)
{
    u32 low = faults->wanted.latency_low_ms;
    u32 span = faults->wanted.latency_high_ms - low;
    return span == 0 ? low : low + (u32)(roll(faults) * (span + 1.0));
}

static bool is_throttled_by_throughput(const struct kinesis_call *call)
{
    operation_fn run = call->operation->run;
    return run == kinesis__put_record || run == kinesis__put_records ||
           run == kinesis__get_records || run == kinesis__get_shard_iterator;
}

static void fail_call(struct kinesis_call *call, double kind)
{
    if (kind < 1.0 / 3) {
        kinesis__fail_status(call, 500, "InternalFailure",
                             "The request processing has failed because of an unknown error, "
                             "exception or failure.");
    } else if (kind < 2.0 / 3) {
        kinesis__fail_status(call, 503, "ServiceUnavailable",
                             "The request has failed due to a temporary failure of the server.");
    } else if (is_throttled_by_throughput(call)) {
        kinesis__fail(call, "ProvisionedThroughputExceededException",
                      "Rate exceeded for a shard of the stream under account " STR_FMT ".",
                      STR_ARG(call->request->caller.account));
    } else {
        kinesis__fail(call, "LimitExceededException", "Rate exceeded for account " STR_FMT ".",
                      STR_ARG(call->request->caller.account));
    }
}

bool kinesis__fault(struct kinesis_call *call)
{
    struct faults *faults = call->service->faults;
    double rate = faults->wanted.rates[kinesis__operation_index(call->operation)];
    if (roll(faults) >= rate) {
        return false;
    }
    bool is_partial = call->operation->run == kinesis__put_records && roll(faults) < 0.5;
    if (is_partial) {
        call->has_record_faults = true;
        return false;
    }
    fail_call(call, roll(faults));
    return true;
}

enum put_refusal kinesis__fault_record(struct kinesis_call *call)
{
    if (!call->has_record_faults || roll(call->service->faults) < 0.5) {
        return PUT_NOT_REFUSED;
    }
    return roll(call->service->faults) < 0.5 ? PUT_THROTTLED : PUT_FAILED;
}

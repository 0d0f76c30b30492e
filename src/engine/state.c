/* engine/state.c: what a job remembers between steps: its dataflow, and the watermarks of its
 * sources' shards. */
#include "engine/lineage.h"

static const char idle_key[] = ENGINE_SETTING_IDLE;
static const char zone_key[] = ENGINE_SETTING_ZONE;

static str setting(const struct engine_job *job, const char *key, const char *otherwise)
{
    for (isize i = 0; i < job->setting_count; i++) {
        if (str_eq(job->settings[i].key, str_of(key))) {
            return job->settings[i].value;
        }
    }
    return str_of(otherwise);
}

static bool unit_us(str unit, i64 *out)
{
    static const struct {
        const char *name;
        i64 us;
    } units[] = {{"us", 1},
                 {"ms", 1000},
                 {"", 1000},
                 {"s", 1000000},
                 {"sec", 1000000},
                 {"second", 1000000},
                 {"seconds", 1000000},
                 {"min", 60000000},
                 {"m", 60000000},
                 {"minute", 60000000},
                 {"minutes", 60000000},
                 {"h", 3600000000},
                 {"hour", 3600000000},
                 {"hours", 3600000000},
                 {"d", 86400000000},
                 {"day", 86400000000},
                 {"days", 86400000000}};
    for (isize i = 0; i < COUNT_OF(units); i++) {
        if (str_eq_nocase(unit, str_of(units[i].name))) {
            *out = units[i].us;
            return true;
        }
    }
    return false;
}

err engine__duration_parse(str text, i64 *us_out)
{
    enum { DIGITS_MAX = 9 };
    str in = str_trim(text);
    isize digits = 0;
    i64 number = 0, unit = 0;
    while (digits < in.len && digits < DIGITS_MAX && in.data[digits] >= '0' &&
           in.data[digits] <= '9') {
        number = number * 10 + (in.data[digits++] - '0');
    }
    if (digits == 0 || !unit_us(str_trim(str_slice(in, digits, in.len)), &unit)) {
        return ERR_INVALID;
    }
    return __builtin_mul_overflow(number, unit, us_out) ? ERR_INVALID : OK;
}

static bool has_watermark(const struct pipe *pipe)
{
    for (isize i = 0; i < pipe->rel_count; i++) {
        if (pipe->rels[i]->kind == REL_WATERMARK) {
            return true;
        }
    }
    return false;
}

void engine__marks_new(struct engine_job *job, struct engine_source *source)
{
    marks_free(source->marks);
    engine__lineage_free(source->lineage);
    source->marks = NULL;
    source->lineage = NULL;
    if (has_watermark(source->pipe)) {
        source->marks = marks_new();
        engine__lineage_begin(job, source);
    }
}

static err flow_make(struct engine_job *job, struct diag *diag)
{
    const struct rel **roots = ARENA_ARRAY(&job->arena, const struct rel *, job->plan_count + 1);
    for (isize i = 0; i < job->plan_count; i++) {
        roots[i] = job->plans[i].root;
    }
    struct flow_options options = {.budget_bytes = ENGINE_STATE_BYTES_MAX, .zone = job->zone};
    os_random(job->engine->os, options.secret, (isize)sizeof options.secret);
    flow_free(job->flow);
    job->flow = NULL;
    TRY(flow_new(roots, job->plan_count, &options, &job->flow, diag));
    job->is_stateful = flow_is_stateful(job->flow);
    return OK;
}

err engine__state_new(struct engine_job *job, struct diag *diag)
{
    str idle = setting(job, idle_key, "1 s");
    if (engine__duration_parse(idle, &job->idle_us) != OK) {
        return diag_set(diag, ERR_INVALID, "ENG071",
                        "'%s' is \"" STR_FMT "\", which is not a duration such as 1 s or 500 ms",
                        idle_key, STR_ARG(str_slice(idle, 0, 64)));
    }
    job->zone = arena_cstr(&job->arena, setting(job, zone_key, "UTC"));
    TRY(flow_make(job, diag));
    for (isize i = 0; i < job->source_count; i++) { /* None when the job is opened. */
        job->sources[i].pipe = flow_scan(job->flow, i);
        engine__marks_new(job, &job->sources[i]);
    }
    job->is_firing = false;
    return OK;
}

u64 engine__hold_lsn(const struct engine_job *job)
{
    u64 start = job->position;
    if (!job->is_stateful) {
        return start;
    }
    for (isize i = 0; i < job->start_count; i++) {
        start = MIN(start, job->start_lsns[i]);
    }
    const struct engine_replay *replay = job->replay;
    return replay != NULL && replay->snapshots[1].step > 0 ? replay->snapshots[1].lsn : start;
}

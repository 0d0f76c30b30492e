/* cli/cmd_start.c: the server in the foreground. */
#include "aws/kinesis/kinesis.h"
#include "base/buf.h"
#include "base/trace.h"
#include "cli/commands.h"
#include "cli/logging.h"
#include "cli/options.h"
#include "cli/server.h"
#include "cli/term.h"
#include "net/client.h"

#include <stdio.h>

enum { PATH_BYTES = 1024, PORT_DEFAULT = 4566, TLS_PORT_DEFAULT = 4567 };
enum { SCRUB_DEFAULT_S = 86400, SCRUB_MAX_S = 366 * 86400 };

static const char *const durability_names[] = {"commit", "os", "memory"};

static bool durability_parse(const char *text, enum log_durability *out)
{
    for (int i = 0; i < COUNT_OF(durability_names); i++) {
        if (strcmp(text, durability_names[i]) == 0) {
            *out = (enum log_durability)i;
            return true;
        }
    }
    print_error(NULL, "--durability is commit, os or memory, not \"%s\"", text);
    return false;
}

static int exit_code(err e)
{
    switch (e) {
    case ERR_IN_USE:
        return EXIT_TRY_AGAIN;
    case ERR_CORRUPT:
    case ERR_VERSION:
    case ERR_UNSUPPORTED:
    case ERR_INVALID:
    case ERR_DENIED:
    case ERR_EXISTS: /* A file where the data directory should be. */
        return EXIT_CONFIGURATION;
    default:
        return EXIT_INTERNAL;
    }
}

static int failed(err e, const struct diag *diag)
{
    struct buf text = {0};
    diag_render(diag, STR_EMPTY, term_has_colour(2), &text);
    (void)fwrite(text.data, 1, (size_t)text.len, stderr);
    buf_deinit(&text);
    bool is_unusable = str_eq(str_of(diag->code), STR("SRV002")); /* The data directory. */
    return is_unusable ? EXIT_CONFIGURATION : exit_code(e);
}

static void announce(const struct server *server, const struct server_options *options)
{
    static const char *const notes[] = {
        "", " (durability=os: acknowledged records survive kill -9, not power loss)",
        " (durability=memory: nothing is kept)"};
    (void)printf("data      %s%s\nendpoint  %s\n", options->data_dir, notes[options->durability],
                 server_endpoint(server));
    if (server_tls_endpoint(server)[0] != '\0') {
        (void)printf("tls       %s (certificate %s)\n", server_tls_endpoint(server),
                     server_tls_certificate(server));
    } else if (server_tls_note(server)[0] != '\0') {
        (void)printf("tls       %s\n", server_tls_note(server));
    }
    if (server_mail(server)[0] != '\0') {
        (void)printf("mail      %s\n", server_mail(server));
    }
    if (options->allows_egress) {
        (void)puts("egress    tables with an aws.endpoint may reach other hosts");
    }
    if (options->kinesis_faults->is_on) {
        (void)puts("faults    calls of Kinesis fail or wait on purpose");
    }
    (void)puts("Ready.");
    (void)fflush(stdout);
    trace(TRACE_INFO, "server", "ready", T_STR("endpoint", str_of(server_endpoint(server))),
          T_STR("data", str_of(options->data_dir)),
          T_STR("durability", str_of(durability_names[options->durability])));
}

/* The TLS port stands beside the usual port. Beside another one it is there when asked for. */
static bool tls_parse(const struct option *tls_port, const struct option *port,
                      struct server_options *out)
{
    u64 number = TLS_PORT_DEFAULT;
    bool is_off = str_eq(str_of(tls_port->text), STR("off"));
    bool is_usual = port->number == PORT_DEFAULT;
    bool is_asked = tls_port->is_given || out->tls_cert != NULL || out->tls_key != NULL;
    if (tls_port->is_given && !is_off &&
        (str_to_u64(str_of(tls_port->text), &number) != OK || number > 65535)) {
        print_error(NULL, "--tls-port is 0 to 65535, or off, not \"%s\"", tls_port->text);
        return false;
    }
    if (is_off && (out->tls_cert != NULL || out->tls_key != NULL)) {
        print_error(NULL, "--tls-cert and --tls-key need a TLS port, and --tls-port is off");
        return false;
    }
    if (!is_asked && !is_usual) {
        out->tls = TLS_NONE;
        return true;
    }
    out->tls = is_off ? TLS_NONE : is_asked ? TLS_WANTED : TLS_IF_FREE;
    out->tls_port = (u16)number;
    return true;
}

enum {
    DATA,
    PORT,
    BIND,
    TLS_PORT,
    TLS_CERT,
    TLS_KEY,
    DURABILITY,
    LOG,
    LOG_LEVEL,
    ALLOW_RESET,
    ALLOW_EGRESS,
    ENFORCE_LIMITS,
    STATUS_DELAY,
    SCRUB,
    FAULT_RATE,
    FAULT_LATENCY,
    FAULT_SEED,
};

static struct option options[] = {
    [DATA] = {"data", OPTION_TEXT, "DIR",
              "Where data live (${XDG_STATE_HOME:-~/.local/state}/leat).", NULL, 0, false},
    [PORT] = {"port", OPTION_NUMBER, "N", "TCP port (4566; 0 = any free one).", NULL, PORT_DEFAULT,
              false},
    [BIND] = {"bind", OPTION_TEXT, "ADDR", "Address to listen on (127.0.0.1); others need keys.",
              "127.0.0.1", 0, false},
    [TLS_PORT] = {"tls-port", OPTION_TEXT, "N",
                  "Port for https (4567 beside port 4566, else none; 0 = any free one; off).", NULL,
                  0, false},
    [TLS_CERT] = {"tls-cert", OPTION_TEXT, "FILE",
                  "Certificate and its chain in PEM (a self-signed one, see leat cert).", NULL, 0,
                  false},
    [TLS_KEY] = {"tls-key", OPTION_TEXT, "FILE", "Its private key in PEM.", NULL, 0, false},
    [DURABILITY] = {"durability", OPTION_TEXT, "commit|os|memory",
                    "commit: acknowledge after fdatasync; os; memory (commit).", "commit", 0,
                    false},
    [LOG] = {"log", OPTION_TEXT, "text|json",
             "Form of the log on standard error (LEAT_LOG, else text).", NULL, 0, false},
    [LOG_LEVEL] = {"log-level", OPTION_TEXT, "LEVEL",
                   "debug, info, warn or error (LEAT_LOG_LEVEL, else info).", NULL, 0, false},
    [ALLOW_RESET] = {"allow-reset", OPTION_FLAG, NULL, "POST /_leat/reset deletes everything.",
                     NULL, 0, false},
    [ALLOW_EGRESS] = {"allow-egress", OPTION_FLAG, NULL,
                      "Tables with an aws.endpoint may reach other hosts.", NULL, 0, false},
    [ENFORCE_LIMITS] = {"enforce-limits", OPTION_FLAG, NULL,
                        "Shards of Kinesis have the throughput limits of AWS.", NULL, 0, false},
    [STATUS_DELAY] = {"status-delay", OPTION_NUMBER, "MS",
                      "How long streams and consumers are CREATING, UPDATING, DELETING (0).", NULL,
                      0, false},
    [SCRUB] = {"scrub", OPTION_NUMBER, "SECONDS",
               "How often all sealed segments are read and checked (86400: once a day).", NULL,
               SCRUB_DEFAULT_S, false},
    [FAULT_RATE] = {"fault-rate", OPTION_TEXT, "R",
                    "Calls of Kinesis that fail on purpose, 0 to 1; or PutRecords=0.1,...", NULL, 0,
                    false},
    [FAULT_LATENCY] = {"fault-latency", OPTION_TEXT, "MS",
                       "How long calls of Kinesis wait on purpose: 20, or 10-200.", NULL, 0, false},
    [FAULT_SEED] = {"fault-seed", OPTION_NUMBER, "N", "What makes faults the same again (1).", NULL,
                    1, false},
    {.name = NULL},
};

static bool faults_parse(struct kinesis_faults *out)
{
    struct diag diag;
    diag_init(&diag);
    err e = kinesis_faults_read(options[FAULT_RATE].text, options[FAULT_LATENCY].text,
                                (u64)options[FAULT_SEED].number, out, &diag);
    if (e == OK && options[FAULT_SEED].is_given && !out->is_on) {
        e = diag_set(&diag, ERR_INVALID, "SRV010",
                     "--fault-seed is for --fault-rate and --fault-latency");
    }
    if (e != OK) {
        print_error(diag.hint[0] != '\0' ? diag.hint : NULL, "%s", diag.message);
    }
    return e == OK;
}

int cmd_start(int argc, char **argv)
{
    const char *words[WORDS_MAX];
    struct arguments arguments;
    if (argc > WORDS_MAX ||
        !options_parse(command_get("start"), options, argc, argv, words, &arguments) ||
        !arguments_none("start", &arguments)) {
        return EXIT_USAGE;
    }
    char data_dir[PATH_BYTES];
    struct kinesis_faults faults;
    struct server_options server_options = {.data_dir = options[DATA].text,
                                            .bind = options[BIND].text,
                                            .port = (u16)options[PORT].number,
                                            .tls_cert = options[TLS_CERT].text,
                                            .tls_key = options[TLS_KEY].text,
                                            .allows_reset = options[ALLOW_RESET].is_given,
                                            .allows_egress = options[ALLOW_EGRESS].is_given,
                                            .status_delay_ms = (u32)options[STATUS_DELAY].number,
                                            .enforces_limits = options[ENFORCE_LIMITS].is_given,
                                            .kinesis_faults = &faults};
    if (options[PORT].number < 0 || options[PORT].number > 65535) {
        print_error(NULL, "--port is 0 to 65535, not %lld", (long long)options[PORT].number);
        return EXIT_USAGE;
    }
    if (options[STATUS_DELAY].number < 0 ||
        options[STATUS_DELAY].number > AWS_STATUS_DELAY_MS_MAX) {
        print_error(NULL, "--status-delay is 0 to %d milliseconds, not %lld",
                    AWS_STATUS_DELAY_MS_MAX, (long long)options[STATUS_DELAY].number);
        return EXIT_USAGE;
    }
    if (options[SCRUB].number < 1 || options[SCRUB].number > SCRUB_MAX_S) {
        print_error(NULL, "--scrub is 1 to %d seconds, not %lld", SCRUB_MAX_S,
                    (long long)options[SCRUB].number);
        return EXIT_USAGE;
    }
    server_options.scrub_period_ms = (u64)options[SCRUB].number * 1000;
    if (!faults_parse(&faults)) {
        return EXIT_USAGE;
    }
    if (!tls_parse(&options[TLS_PORT], &options[PORT], &server_options)) {
        return EXIT_USAGE;
    }
    if (!durability_parse(options[DURABILITY].text, &server_options.durability)) {
        return EXIT_USAGE;
    }
    if (!logging_configure(options[LOG].text, options[LOG_LEVEL].text)) {
        return EXIT_USAGE;
    }
    if (server_options.data_dir == NULL) {
        if (!server_data_dir_default(data_dir, PATH_BYTES)) {
            return EXIT_CONFIGURATION;
        }
        server_options.data_dir = data_dir;
    }
    net_client_allow_egress(server_options.allows_egress);
    os_signals_hold();
    struct server *server;
    struct diag diag;
    diag_init(&diag);
    err e = server_open(&server_options, &server, &diag);
    if (e != OK) {
        return failed(e, &diag);
    }
    announce(server, &server_options);
    trace(TRACE_INFO, "server", "stopping", T_INT("signal", os_signals_wait()));
    server_close(server);
    trace_text(TRACE_INFO, "server", "stopped");
    return EXIT_OK;
}

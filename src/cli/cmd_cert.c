/* cli/cmd_cert.c: leat cert: the certificate of the TLS port, and how clients trust it. */
#include "base/cal.h"
#include "cli/commands.h"
#include "cli/env.h"
#include "cli/options.h"
#include "cli/server.h"
#include "codec/json.h"
#include "net/tls.h"

#include <stdio.h>

enum { PATH_BYTES = 1024 };

/* "2026-11-26" */
static void day_text(i64 seconds, char *out, isize capacity)
{
    struct cal cal;
    cal_from_us(seconds * 1000000, &cal);
    (void)snprintf(out, (size_t)capacity, "%04lld-%02d-%02d", (long long)cal.year, cal.month,
                   cal.day);
}

static void text_print(const char *path, const struct tls_certificate *c)
{
    char begins[32];
    char ends[32];
    day_text(c->begins_s, begins, sizeof begins);
    day_text(c->ends_s, ends, sizeof ends);
    bool is_over = os_wall_us(os_real()) / 1000000 > c->ends_s;
    (void)printf("file    %s\nvalid   %s to %s%s\nsha256  %s\nnames   ", path, begins, ends,
                 is_over ? " (over: leat makes another at its next start)" : "", c->sha256);
    for (isize i = 0; i < c->name_count; i++) {
        (void)printf("%s" STR_FMT,
                     i == 0       ? ""
                     : i % 3 == 0 ? ",\n        "
                                  : ", ",
                     STR_ARG(c->names[i]));
    }
    (void)printf("\n\nClients trust it so:\n"
                 "  aws, boto3  export AWS_CA_BUNDLE=%s\n"
                 "  leat        export LEAT_CA_BUNDLE=%s\n"
                 "  curl        curl --cacert %s https://localhost:4567/health\n"
                 "  Node.js     export NODE_EXTRA_CA_CERTS=%s\n"
                 "  Go          export SSL_CERT_FILE=%s\n"
                 "  Java        keytool -importcert -noprompt -alias leat -storepass changeit \\\n"
                 "                -keystore leat.jks -file %s\n"
                 "              java -Djavax.net.ssl.trustStore=leat.jks ...\n",
                 path, path, path, path, path, path);
}

static void json_print(const char *path, const struct tls_certificate *c)
{
    struct buf out = {0};
    buf_append(&out, STR("{\"file\":"));
    json_write_string(&out, str_of(path));
    buf_printf(&out,
               ",\"begins\":%lld,\"ends\":%lld,\"sha256\":\"%s\",\"self_signed\":%s,\"names\":[",
               (long long)c->begins_s, (long long)c->ends_s, c->sha256,
               c->is_self_signed ? "true" : "false");
    for (isize i = 0; i < c->name_count; i++) {
        buf_append(&out, i > 0 ? STR(",") : STR_EMPTY);
        json_write_string(&out, c->names[i]);
    }
    (void)printf(STR_FMT "]}\n", STR_ARG(buf_str(&out)));
    buf_deinit(&out);
}

int cmd_cert(int argc, char **argv)
{
    enum { DATA, OUTPUT };
    struct option options[] = {
        [DATA] = {"data", OPTION_TEXT, "DIR", "The data directory (as for leat start).", NULL, 0,
                  false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json", "json: one object.", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("cert"), options, argc, argv, words, &a) ||
        !arguments_none("cert", &a)) {
        return EXIT_USAGE;
    }
    bool is_json = option_is_json(&options[OUTPUT]);
    char data_dir[PATH_BYTES];
    char path[PATH_BYTES + 16];
    if (options[DATA].text == NULL && !server_data_dir_default(data_dir, PATH_BYTES)) {
        return EXIT_CONFIGURATION;
    }
    (void)snprintf(path, sizeof path, "%.1000s/tls/cert.pem",
                   options[DATA].text != NULL ? options[DATA].text : data_dir);
    struct arena arena = {0};
    struct tls_certificate certificate;
    struct diag diag;
    diag_init(&diag);
    err e = tls_certificate_read(os_real(), path, &arena, &certificate, &diag);
    if (e == ERR_NOT_FOUND) {
        print_error("leat start makes it; --data DIR names another data directory",
                    "there is no certificate at %s", path);
    } else if (e != OK) {
        print_error(NULL, "%s", diag.message);
    } else if (is_json) {
        json_print(path, &certificate);
    } else {
        text_print(path, &certificate);
    }
    arena_deinit(&arena);
    return e == OK ? EXIT_OK : e == ERR_NOT_FOUND ? EXIT_ABSENT : EXIT_FAILED;
}

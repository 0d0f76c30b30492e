/* cli/logging.c: format and level of the diagnostics on standard error. */
#include "cli/logging.h"

#include "base/trace.h"
#include "cli/print.h"
#include "os/os.h"

static const char *const formats[] = {"text", "json"};
static const char *const levels[] = {"debug", "info", "warn", "error"};

/* Place of the name in the list; -1 after an error was printed. */
static int choose(const char *what, const char *text, const char *const *names, int count,
                  const char *hint)
{
    for (int i = 0; i < count; i++) {
        if (str_eq_nocase(str_of(text), str_of(names[i]))) {
            return i;
        }
    }
    print_error(hint, "%s does not know \"%s\"", what, text);
    return -1;
}

bool logging_configure(const char *format, const char *level)
{
    const char *set_format = os_getenv("LEAT_LOG"), *set_level = os_getenv("LEAT_LOG_LEVEL");
    bool has_format = format != NULL || (set_format != NULL && set_format[0] != '\0');
    bool has_level = level != NULL || (set_level != NULL && set_level[0] != '\0');
    int chosen_format = 0, chosen_level = TRACE_INFO;
    if (has_format) {
        chosen_format =
            choose(format != NULL ? "--log" : "LEAT_LOG", format != NULL ? format : set_format,
                   formats, COUNT_OF(formats), "it is text or json");
    }
    if (has_level) {
        chosen_level = choose(level != NULL ? "--log-level" : "LEAT_LOG_LEVEL",
                              level != NULL ? level : set_level, levels, COUNT_OF(levels),
                              "it is debug, info, warn or error");
    }
    if (chosen_format < 0 || chosen_level < 0) {
        return false;
    }
    trace_set_json(chosen_format == 1);
    trace_set_level((enum trace_level)chosen_level);
    return true;
}

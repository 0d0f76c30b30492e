/* cli/cmd_completion.c: completion scripts, made from the tables that are parsed; and with
 * --markdown the tables of docs/cli.md. */
#include "cli/commands.h"
#include "cli/options.h"

#include "base/buf.h"

#include <stdio.h>

struct writer {
    struct buf out;
    const struct command *command; /* The table's; its options are being shown. */
};

static void each_command(struct writer *w, options_visit_fn visit)
{
    for (int i = 0; i < cli_command_count; i++) {
        char *words[] = {NULL, NULL};
        if (!cli_commands[i].is_hidden) {
            w->command = &cli_commands[i];
            options_visit(visit, w);
            (void)cli_commands[i].run(1, words); /* It only shows its table. */
            options_visit(NULL, NULL);
        }
    }
}

static bool is_word_list(const struct option *option)
{
    return option->value_name != NULL && strchr(option->value_name, '|') != NULL;
}

static str spaced(const char *list, char *out, isize capacity)
{
    str_copy_cstr(str_of(list), out, capacity);
    for (char *c = out; *c != '\0'; c++) {
        *c = *c == '|' ? ' ' : *c;
    }
    return str_of(out);
}

/* What the command's argument may be, one of a few words: "bash|zsh|fish". */
static bool is_choice(const struct command *command)
{
    const char *text = command->arguments;
    return text[0] != '\0' && strspn(text, "abcdefghijklmnopqrstuvwxyz-|") == strlen(text);
}

static bool takes_path(const struct command *command)
{
    return strstr(command->arguments, "FILE") != NULL || strstr(command->arguments, "DIR") != NULL;
}

/* Nouns and commands of one word, then per noun its verbs, as lines of a shell's case. */
static void put_nouns(struct buf *out)
{
    str last = STR_EMPTY;
    for (int i = 0; i < cli_command_count; i++) {
        str name = str_of(cli_commands[i].name);
        str noun = str_split(&name, ' ', NULL);
        if (!cli_commands[i].is_hidden && !str_eq(noun, last)) {
            buf_printf(out, "%s" STR_FMT, last.len > 0 ? " " : "", STR_ARG(noun));
            last = noun;
        }
    }
}

static void put_verbs(struct buf *out)
{
    for (int i = 0; i < cli_command_count; i++) {
        str verb = str_of(cli_commands[i].name);
        bool has_verb;
        str noun = str_split(&verb, ' ', &has_verb);
        char head[64];
        (void)snprintf(head, sizeof head, STR_FMT " ", STR_ARG(noun));
        bool is_first = i == 0 || !str_starts(str_of(cli_commands[i - 1].name), str_of(head));
        if (!has_verb || !is_first) {
            continue;
        }
        struct buf verbs = {0};
        for (int k = i; k < cli_command_count; k++) {
            str name = str_of(cli_commands[k].name);
            if (str_starts(name, str_of(head))) {
                buf_printf(&verbs, "%s" STR_FMT, verbs.len > 0 ? " " : "",
                           STR_ARG(str_slice(name, noun.len + 1, name.len)));
            }
        }
        str list = buf_str(&verbs);
        buf_printf(out, "    " STR_FMT ") verbs=\"" STR_FMT "\" ;;\n", STR_ARG(noun),
                   STR_ARG(list));
        buf_deinit(&verbs);
    }
}

/* --- bash and zsh
 * -------------------------------------------------------------------------------------- */

static void bash_options(void *ctx, const struct command *command, const struct option *options)
{
    struct writer *w = ctx;
    char choices[256];
    (void)command;
    buf_printf(&w->out, "    \"%s\") ", w->command->name);
    if (is_choice(w->command)) {
        buf_printf(&w->out, "words=\"" STR_FMT "\" ",
                   STR_ARG(spaced(w->command->arguments, choices, (isize)sizeof choices)));
    }
    buf_append(&w->out, STR("options=\""));
    for (const struct option *o = options; o->name != NULL; o++) {
        buf_printf(&w->out, "--%s ", o->name);
    }
    buf_append(&w->out, STR("--color --help\"\n        case \"$prev\" in\n"));
    for (const struct option *o = options; o->name != NULL; o++) {
        char list[256];
        const char *also = strcmp(o->name, "output") == 0 ? "|-o" : "";
        if (is_word_list(o)) {
            buf_printf(&w->out, "        --%s%s) values=\"" STR_FMT "\" ;;\n", o->name, also,
                       STR_ARG(spaced(o->value_name, list, (isize)sizeof list)));
        } else if (o->kind != OPTION_FLAG) {
            buf_printf(&w->out, "        --%s) values=- ;;\n", o->name);
        }
    }
    buf_append(&w->out, STR("        esac ;;\n"));
}

static void put_bash(struct writer *w)
{
    buf_append(&w->out,
               STR("# leat completion bash\n_leat() {\n"
                   "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                   "    local name=${COMP_WORDS[1]} options= values= verbs= words=\n"
                   "    if [ \"$COMP_CWORD\" = 1 ]; then\n        COMPREPLY=($(compgen -W \""));
    put_nouns(&w->out);
    buf_append(&w->out, STR("\" -- \"$cur\"))\n        return\n    fi\n    case \"$name\" in\n"));
    put_verbs(&w->out);
    buf_append(
        &w->out,
        STR("    esac\n    if [ -n \"$verbs\" ]; then\n        if [ \"$COMP_CWORD\" = 2 ]; then\n"
            "            COMPREPLY=($(compgen -W \"$verbs\" -- \"$cur\"))\n            return\n"
            "        fi\n        name=\"$name ${COMP_WORDS[2]}\"\n    fi\n"
            "    case \"$name\" in\n"));
    each_command(w, bash_options);
    buf_append(
        &w->out,
        STR("    esac\n    [ \"$prev\" = --color ] && values=\"auto always never\"\n"
            "    if [ \"$values\" = - ]; then\n        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
            "    elif [ -n \"$values\" ]; then\n"
            "        COMPREPLY=($(compgen -W \"$values\" -- \"$cur\"))\n"
            "    elif [[ $cur == -* ]]; then\n"
            "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
            "    elif [ -n \"$words\" ]; then\n"
            "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n    else\n"
            "        COMPREPLY=($(compgen -f -- \"$cur\"))\n    fi\n}\n"
            "complete -o default -F _leat leat\n"));
}

/* --- fish
 * ---------------------------------------------------------------------------------------------- */

static void fish_quoted(struct buf *out, const char *text)
{
    buf_append_byte(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\') {
            buf_append_byte(out, '\\');
        }
        buf_append_byte(out, (u8)*text);
    }
    buf_append_byte(out, '\'');
}

static void fish_options(void *ctx, const struct command *command, const struct option *options)
{
    struct writer *w = ctx;
    (void)command;
    str verb = str_of(w->command->name);
    str noun = str_split(&verb, ' ', NULL);
    char where[128];
    (void)snprintf(where, sizeof where, "__fish_seen_subcommand_from " STR_FMT, STR_ARG(noun));
    if (verb.len == 0) {
        buf_printf(&w->out, "complete -c leat -n __fish_use_subcommand -a %s -d ",
                   w->command->name);
        fish_quoted(&w->out, w->command->help);
        buf_append_byte(&w->out, '\n');
    } else {
        buf_printf(&w->out, "complete -c leat -n __fish_use_subcommand -a " STR_FMT "\n",
                   STR_ARG(noun));
        buf_printf(&w->out, "complete -c leat -n '%s' -a " STR_FMT " -d ", where, STR_ARG(verb));
        fish_quoted(&w->out, w->command->help);
        buf_append_byte(&w->out, '\n');
        (void)snprintf(where, sizeof where,
                       "__fish_seen_subcommand_from " STR_FMT
                       "; and __fish_seen_subcommand_from " STR_FMT,
                       STR_ARG(noun), STR_ARG(verb));
    }
    char list[256];
    if (is_choice(w->command)) {
        buf_printf(&w->out, "complete -c leat -n '%s' -a '" STR_FMT "'\n", where,
                   STR_ARG(spaced(w->command->arguments, list, (isize)sizeof list)));
    } else if (takes_path(w->command)) {
        buf_printf(&w->out, "complete -c leat -n '%s' -F\n", where);
    }
    for (const struct option *o = options; o->name != NULL; o++) {
        buf_printf(&w->out, "complete -c leat -n '%s' -l %s", where, o->name);
        if (is_word_list(o)) {
            buf_printf(&w->out, " -x -a '" STR_FMT "'",
                       STR_ARG(spaced(o->value_name, list, (isize)sizeof list)));
        } else if (o->kind != OPTION_FLAG) {
            buf_append(&w->out, STR(" -r"));
        }
        buf_append(&w->out, STR(" -d "));
        fish_quoted(&w->out, o->help);
        buf_append_byte(&w->out, '\n');
    }
}

/* --- docs/cli.md
 * --------------------------------------------------------------------------------------- */

static void put_cell(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        buf_append(out, *text == '|' ? STR("\\|") : str_from(text, 1));
    }
}

static void markdown_options(void *ctx, const struct command *command, const struct option *options)
{
    struct writer *w = ctx;
    (void)command;
    buf_printf(&w->out, "### leat %s%s", w->command->name,
               w->command->arguments[0] != '\0' ? " " : "");
    buf_append(&w->out, str_of(w->command->arguments));
    buf_printf(&w->out, "\n\n%s\n\n", w->command->help);
    const char *examples = command_examples(w->command->name);
    if (examples != NULL) {
        buf_printf(&w->out, "```\n%s```\n\n", examples);
    }
    if (options[0].name != NULL) {
        buf_append(&w->out, STR("| option | |\n|---|---|\n"));
    }
    for (const struct option *o = options; o->name != NULL; o++) {
        buf_printf(&w->out, "| `--%s%s", o->name, o->value_name != NULL ? " " : "");
        put_cell(&w->out, o->value_name != NULL ? o->value_name : "");
        buf_append(&w->out, STR("` | "));
        put_cell(&w->out, o->help);
        buf_append(&w->out, STR(" |\n"));
    }
    buf_append(&w->out, options[0].name != NULL ? STR("\n") : STR_EMPTY);
}

int cmd_completion(int argc, char **argv)
{
    struct option options[] = {{.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("completion"), options, argc, argv, words, &a) ||
        !arguments_one("completion", "bash|zsh|fish", &a)) {
        return EXIT_USAGE;
    }
    struct writer w = {0};
    str shell = str_of(a.words[0]);
    if (str_eq(shell, STR("bash"))) {
        put_bash(&w);
    } else if (str_eq(shell, STR("zsh"))) {
        buf_append(&w.out, STR("#compdef leat\nautoload -U +X bashcompinit && bashcompinit\n"));
        put_bash(&w);
    } else if (str_eq(shell, STR("fish"))) {
        buf_append(&w.out, STR("# leat completion fish\ncomplete -c leat -f\n"));
        each_command(&w, fish_options);
    } else if (str_eq(shell, STR("markdown"))) { /* For tools/cli_docs.py. */
        each_command(&w, markdown_options);
    } else {
        print_error("leat completion bash|zsh|fish", "there is no completion for \"" STR_FMT "\"",
                    STR_ARG(shell));
        return EXIT_USAGE;
    }
    (void)fwrite(w.out.data, 1, (size_t)w.out.len, stdout);
    buf_deinit(&w.out);
    return EXIT_OK;
}

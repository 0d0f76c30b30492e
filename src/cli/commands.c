/* cli/commands.c: the one table of commands: dispatch, help, completion and docs/cli.md follow it.
 * The order is that of the help. */
#include "cli/commands.h"

#include "cli/options.h"

const struct command cli_commands[] = {
    {"demo", "", "Run the accidents pipeline on a new data directory.", cmd_demo, false},
    {"start", "", "Run the server in the foreground until Ctrl-C.", cmd_start, false},
    {"run", "FILE.sql", "Run a script; its INSERTs become durable jobs.", cmd_run, false},
    {"sql", "", "A SQL shell; or one statement or file.", cmd_sql, false},
    {"job list", "", "List the jobs.", cmd_job_list, false},
    {"job show", "ID", "Show a job: its SQL, positions and counters.", cmd_job_show, false},
    {"job stop", "ID", "Stop a job after the step under way.", cmd_job_stop, false},
    {"stream list", "", "List the streams of all regions.", cmd_stream_list, false},
    {"stream show", "NAME", "Show a stream and its shards.", cmd_stream_show, false},
    {"stream create", "NAME", "Create a stream: on-demand, or with --shards.", cmd_stream_create,
     false},
    {"stream delete", "NAME", "Delete a stream and its records.", cmd_stream_delete, false},
    {"stream split", "NAME SHARD", "Split a shard in two: in the middle, or --at a hash key.",
     cmd_stream_split, false},
    {"stream merge", "NAME SHARD SHARD", "Merge two neighbouring shards.", cmd_stream_merge, false},
    {"stream scale", "NAME SHARDS", "Split and merge until so many even shards are open.",
     cmd_stream_scale, false},
    {"stream consumers", "NAME", "List the consumers of a stream, register or deregister one.",
     cmd_stream_consumers, false},
    {"stream put", "NAME [DATA...]", "Put records: words, lines of a file, or of standard input.",
     cmd_stream_put, false},
    {"stream tail", "NAME", "Show records as they arrive.", cmd_stream_tail, false},
    {"stream export", "NAME FILE|-|DIR", "Write the records of a stream to a file.",
     cmd_stream_export, false},
    {"stream import", "NAME FILE|-", "Put the records of an export into a stream.",
     cmd_stream_import, false},
    {"deadletter list", "", "List records that could not be processed.", cmd_deadletter_list,
     false},
    {"deadletter show", "ID", "Show one, with its place, field, reason and bytes.",
     cmd_deadletter_show, false},
    {"deadletter redrive", "ID...|--all", "Put them back into the streams they came from.",
     cmd_deadletter_redrive, false},
    {"inbox", "[list|show ID]", "List and show the mails of SNS.", cmd_inbox, false},
    {"replay", "s3://bucket/key|FILE|-", "Put the rows of a CSV file into a stream, exactly once.",
     cmd_replay, false},
    {"generate", "us-accidents", "Write synthetic rows: CSV, an object, a stream.", cmd_generate,
     false},
    {"aws", "ARGUMENTS...", "Run your aws command against leat.", cmd_aws, false},
    {"env", "", "Print what AWS clients need: eval \"$(leat env)\".", cmd_env, false},
    {"cert", "", "Show the certificate of https, and how to trust it.", cmd_cert, false},
    {"backup", "DIR", "Back up the running server's data into a new directory.", cmd_backup, false},
    {"restore", "DIR", "Make a data directory of a backup.", cmd_restore, false},
    {"doctor", "", "Check what leat needs on this machine.", cmd_doctor, false},
    {"completion", "bash|zsh|fish", "Print the completion script of a shell.", cmd_completion,
     false},
    {"version", "", "Print the version.", cmd_version, false},
    {"help", "[COMMAND|CODE]", "Print this, or tell of a command or an error code.", cmd_help,
     false},
};
const int cli_command_count = (int)COUNT_OF(cli_commands);

static const struct {
    const char *name, *text;
} examples[] = {
    {"demo", "  leat demo\n  leat demo --port 4570 --rate 1000/s\n  leat demo --once\n"},
    {"start", "  leat start\n  leat start --data /srv/leat --port 4566\n"},
    {"run", "  leat run pipeline.sql\n  leat run pipeline.sql --restart --from trim-horizon\n"},
    {"sql", "  leat sql\n  leat sql -c 'SELECT * FROM us_accidents_stream WHERE Severity > 2'\n"
            "  leat sql -f tables.sql\n"},
    {"stream create", "  leat stream create orders\n  leat stream create orders --shards 4\n"},
    {"stream split", "  leat stream split orders 0\n"
                     "  leat stream split orders shardId-000000000003 --at 1000\n"},
    {"stream merge", "  leat stream merge orders 1 2\n"},
    {"stream scale", "  leat stream scale orders 8\n"},
    {"stream put", "  leat stream put orders '{\"id\":1}'\n"
                   "  leat stream put orders --key-field id --file orders.ndjson\n"
                   "  my-program | leat stream put orders\n"
                   "  find . -type f -print0 | leat stream put paths --null\n"},
    {"stream tail", "  leat stream tail orders\n"
                    "  leat stream tail orders --from trim-horizon --where 'Severity > 2'\n"
                    "  leat stream tail orders --data | jq .City\n"
                    "  leat stream tail orders --consumer dashboard\n"},
    {"stream export", "  leat stream export orders orders.jsonl.zst\n"
                      "  leat stream export orders - --from 2026-11-24T00:00 | jq .data\n"},
    {"stream import", "  leat stream import copy orders.jsonl.zst --create\n"
                      "  leat stream export orders - | leat stream import copy -\n"},
    {"stream consumers", "  leat stream consumers orders\n"
                         "  leat stream consumers orders --register dashboard\n"},
    {"deadletter redrive", "  leat deadletter redrive 4711\n"
                           "  leat deadletter redrive --all --job job-1\n"},
    {"replay", "  leat replay accidents.csv\n"
               "  leat replay s3://bucket/accidents.csv.gz --rate 250/s --indent 4\n"
               "  xzcat accidents.csv.xz | leat replay - --name accidents\n"},
    {"aws", "  leat aws kinesis list-streams\n  leat aws s3 ls\n"},
    {"cert", "  leat cert\n  export AWS_CA_BUNDLE=$(leat cert -o json | jq -r .file)\n"},
    {"env", "  eval \"$(leat env)\"\n  leat env --shell fish | source\n"},
    {"completion", "  source <(leat completion bash)\n"
                   "  leat completion fish > ~/.config/fish/completions/leat.fish\n"},
    {"backup", "  leat backup /mnt/backups/$(date +%F)\n"},
    {"restore", "  leat restore /mnt/backups/2026-11-26 --data ~/restored\n"},
    {"help", "  leat help stream put\n  leat help SQL0142\n"},
};

const char *command_examples(const char *name)
{
    for (int i = 0; i < COUNT_OF(examples); i++) {
        if (strcmp(examples[i].name, name) == 0) {
            return examples[i].text;
        }
    }
    return NULL;
}

const struct command *command_get(const char *name)
{
    for (int i = 0; i < cli_command_count; i++) {
        if (strcmp(cli_commands[i].name, name) == 0) {
            return &cli_commands[i];
        }
    }
    CHECK(false);
    return NULL;
}

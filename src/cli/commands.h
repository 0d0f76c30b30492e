/* cli/commands.h: the commands, in files cmd_*.c. Each gets its own argc and argv: argv[0] is the
 * last word of the command's name. Returns the exit code. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

int cmd_demo(int argc, char **argv);
int cmd_start(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_sql(int argc, char **argv);
int cmd_job_list(int argc, char **argv);
int cmd_job_show(int argc, char **argv);
int cmd_job_stop(int argc, char **argv);
int cmd_stream_list(int argc, char **argv);
int cmd_stream_show(int argc, char **argv);
int cmd_stream_create(int argc, char **argv);
int cmd_stream_delete(int argc, char **argv);
int cmd_stream_consumers(int argc, char **argv);
int cmd_stream_split(int argc, char **argv);
int cmd_stream_merge(int argc, char **argv);
int cmd_stream_scale(int argc, char **argv);
int cmd_stream_put(int argc, char **argv);
int cmd_stream_tail(int argc, char **argv);
int cmd_stream_export(int argc, char **argv);
int cmd_stream_import(int argc, char **argv);
int cmd_deadletter_list(int argc, char **argv);
int cmd_deadletter_show(int argc, char **argv);
int cmd_deadletter_redrive(int argc, char **argv);
int cmd_inbox(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_aws(int argc, char **argv);
int cmd_cert(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_env(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_completion(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

#endif

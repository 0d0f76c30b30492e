/* cli/commands.h: the commands, one file each (cmd_NAME.c). Each gets its own argc and argv:
 * argv[0] is the command's name. Returns the exit code. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

int cmd_start(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_sql(int argc, char **argv);
int cmd_job(int argc, char **argv);
int cmd_stream(int argc, char **argv);
int cmd_inbox(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_env(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

#endif

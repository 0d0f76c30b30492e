/* cli/dispatch.h: from the words of a command line to a command. */
#ifndef CLI_DISPATCH_H
#define CLI_DISPATCH_H

/* Runs the command that argv names; returns the exit code. */
int cli_dispatch(int argc, char **argv);

#endif

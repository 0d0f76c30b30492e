/*
 * tests/crash/service.h: scripts of services and streams. After each step a script
 * says what the world looks like (one hash); a state that a crash leaves must read as
 * the last acknowledged step or the one that was under way.
 */
#ifndef CRASH_SERVICE_H
#define CRASH_SERVICE_H

#include "crash.h"
#include "os/sim.h"

enum { SERVICE_STEPS_MAX = 64 };

struct service_script {
    const char *name;
    void (*run)(struct service_script *script);
    u64 (*read)(void); /* What is there; 0 = it is torn or does not open. */
    void (*judge)(const struct crash_budget *budget, struct crash_outcome *out); /* Or NULL. */
    struct sim *sim, *start;
    isize marks[SERVICE_STEPS_MAX];   /* Trace position after each step. */
    u64 looks[SERVICE_STEPS_MAX + 1]; /* As it was before the first step and after each. */
    int steps;
    const char *outside; /* Files below it are a user's, not leat's; NULL = there are none. */
    char why[200];
};

/* The machine on which everything runs; which simulated one it is changes underneath. */
extern struct os *service_os;
/* Steps that were acknowledged before the crash after which `read` reads. */
extern int service_acknowledged;
/* What is read from now on runs on another, and what ran so far stays where it is. */
void service_os_part(void);
/* Called when a script has begun, and with an error that a script was told; NULL = it ends. */
extern void (*service_on_begin)(struct service_script *script);
extern void (*service_on_error)(const char *what, err e);
extern const struct service_script service_scripts[];

/* Starts the trace: what is on the disk is durable and reads as `look`. */
void service_begin(struct service_script *script, u64 look);
void service_step(struct service_script *script, u64 look);
/* Of scripts whose look is the number of steps. */
void service_step_count(struct service_script *script);
void service_must(err e, const char *what);

void s3_put_run(struct service_script *script);
void s3_delete_run(struct service_script *script);
void s3_multipart_run(struct service_script *script);
void s3_abort_run(struct service_script *script);
u64 s3_read(void);
void s3_damage_judge(const struct crash_budget *budget, struct crash_outcome *out);
void streams_create_run(struct service_script *script);
void streams_again_run(struct service_script *script);
void streams_warm_run(struct service_script *script);
void streams_restated_run(struct service_script *script);
u64 streams_read(void);
void replay_run(struct service_script *script);
u64 replay_read(void);
void engine_run(struct service_script *script);
u64 engine_read(void);
void outbox_files_run(struct service_script *script);
u64 outbox_files_read(void);
void outbox_calls_run(struct service_script *script);
u64 outbox_calls_read(void);

#endif

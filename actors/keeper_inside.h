//  keeper_inside.h - what the files of the keeper share. For them only.

#ifndef BERTH_KEEPER_INSIDE_H_INCLUDED
#define BERTH_KEEPER_INSIDE_H_INCLUDED

#include "keeper.h"

#include <pthread.h>
#include <stdatomic.h>

//  Work in a thread of its own.
typedef struct {
    keeper_t *keeper;
    const char *subject;            //  That its clients wait for: "check" or "backup"
    void *(*run) (void *job);
    char path [4004];               //  Of a backup
    pthread_t thread;
    bool started;                   //  Its thread is to be joined
    atomic_bool running;
    post_t *post;                   //  Of the thread
    int64_t told_ms;
} job_t;

struct keeper {
    uint32_t magic;
    const context_t *context;
    actor_t *actor;
    char *spools;
    atomic_bool stopping;
    job_t check, backup;
    int64_t trim_ms;                //  When to trim the log, monotonic
    int64_t keys_ms;                //  When to forget old idempotency keys, monotonic
    int64_t look_ms;                //  When to look how much room there is
    int fill;                       //  As it was said last
};

//  ---- keeper_jobs.c

//  Begins a job unless it runs: behind the commit of the request that wants it.
int job_start (job_t *self, berth_error_t *err);
void *job_check (void *job);
void *job_backup (void *job);
//  Ends both; false if one hangs.
bool jobs_stop (keeper_t *self);

#endif

//  server.c - owns the parts of a service: locks, spawner, store, sockets, actors.

#include "server.h"

#include "accept.h"
#include "actor.h"
#include "backup.h"
#include "clock.h"
#include "codec.h"
#include "execs.h"
#include "front.h"
#include "ids.h"
#include "inspector.h"
#include "keeper.h"
#include "leases.h"
#include "log.h"
#include "principals.h"
#include "proxy.h"
#include "publisher.h"
#include "reader.h"
#include "realizer.h"
#include "registry.h"
#include "runs.h"
#include "secrets.h"
#include "server_dirs.h"
#include "server_doors.h"
#include "server_vault.h"
#include "trim.h"

#include <czmq.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVER_MAGIC 0x5e271ce1u
#define PROXIES_MAX PROVIDERS_MAX

struct server {
    uint32_t magic;
    context_t context;
    char *state, *runtime, *places, *spool, *shims;
    char init_path [4096], shim_path [4096];
    char bus_endpoint [512], events_endpoint [512];
    int state_lock, runtime_lock;
    int owner_fd, stop_fd, signal_fd;
    void (*alive) (void);
    int64_t alive_ms;
    bool release;                   //  Close all places before stopping
    server_doors_t doors;
    quotas_t *quotas;
    front_t *front;
    publisher_t *publisher;
    principals_t *principals;
    secrets_t *secrets;
    registry_t *registry;
    realizer_t *realizer;
    leases_t *leases;
    execs_t *execs;
    runs_t *runs;
    reader_t *reader;
    inspector_t *inspector;
    keeper_t *keeper;
    proxy_t *proxies [PROXIES_MAX];
    size_t proxies_count;
    zactor_t *actors [PROXIES_MAX + 16];    //  In the order they were started
    size_t actors_count;
};

//  ---- starting

static int
s_directories (server_t *self, const server_options_t *options, berth_error_t *err)
{
    self->state = zsys_sprintf ("%s", options->state);
    self->runtime = zsys_sprintf ("%s", options->runtime);
    self->places = zsys_sprintf ("%s/places", options->state);
    self->spool = zsys_sprintf ("%s/spool", options->state);
    self->shims = zsys_sprintf ("%s/p", options->runtime);
    if (server_endpoint (self->runtime, "bus.sock", self->bus_endpoint,
                          sizeof self->bus_endpoint, err)
        || server_endpoint (self->runtime, "events.sock", self->events_endpoint,
                             sizeof self->events_endpoint, err)
        || server_make_dir (self->state, "state", err)
        || server_make_dir (self->runtime, "runtime", err)
        || server_lock (self->state, "lock", &self->state_lock, err)
        || server_lock (self->runtime, "lock.runtime", &self->runtime_lock, err)
        || server_make_dir (self->places, "state", err)
        || server_make_dir (self->spool, "state", err)
        || server_make_dir (self->shims, "runtime", err))
        return -1;
    if (chmod (self->spool, 0700) || chmod (self->shims, 0700))
        return berth_fail_errno (err, BERTH_FORBIDDEN, "cannot guard %s", self->spool);
    return 0;
}

static int
s_programs (server_t *self, const server_options_t *options, berth_error_t *err)
{
    if (options->init_path)
        snprintf (self->init_path, sizeof self->init_path, "%s", options->init_path);
    else if (spawner_find_program ("berth-init", self->init_path, sizeof self->init_path, err))
        return -1;
    if (options->shim_path)
        snprintf (self->shim_path, sizeof self->shim_path, "%s", options->shim_path);
    else if (spawner_find_program ("berth-shim", self->shim_path, sizeof self->shim_path, err))
        return -1;
    return 0;
}

static int
s_host (server_t *self, const server_options_t *options, berth_error_t *err)
{
    context_t *context = &self->context;
    bool root = geteuid () == 0;
    context->host = (provider_host_t) {
        .state = self->state, .runtime = self->runtime,
        .install_id = store_install_id (context->store), .init_path = self->init_path,
        .uid_first = !root ? 0 : options->uid_first ? options->uid_first : SERVER_UID_FIRST,
        .uid_count = !root ? 0 : options->uid_count ? options->uid_count : SERVER_UID_COUNT,
        .local_as_root = options->local_as_root,
    };
    context->bus_endpoint = self->bus_endpoint;
    context->events_endpoint = self->events_endpoint;
    context->started_ms = berth_wall_ms ();
    context->started_mono_ms = berth_mono_ms ();
    context->test_providers = options->test_providers;
    if (options->retention)
        context->retention = *options->retention;
    else
        retention_of (NULL, &context->retention);
    context->former_install = store_former_install_id (context->store);
    context->sweep = options->sweep ? *options->sweep : sweep_how (NULL);
    context->ephemeral = options->ephemeral;
    berth_id_new (context->instance);
    spawner_options_t spawner = { .shim_path = self->shim_path, .parked = SERVER_PARKED,
                                  .install_id = context->host.install_id };
    return spawner_start (&spawner, &context->host.spawner, err);
}

//  Signals are this thread's alone; the spawner and all children were started with none blocked.
static int
s_signals (server_t *self, berth_error_t *err)
{
    sigset_t signals;
    sigemptyset (&signals);
    sigaddset (&signals, SIGTERM);
    sigaddset (&signals, SIGINT);
    sigaddset (&signals, SIGHUP);
    pthread_sigmask (SIG_BLOCK, &signals, NULL);
    signal (SIGPIPE, SIG_IGN);
    self->signal_fd = signalfd (-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    self->stop_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->signal_fd < 0 || self->stop_fd < 0)
        return berth_fail_errno (err, BERTH_INTERNAL, "cannot watch for signals");
    return 0;
}

static int
s_sockets (server_t *self, berth_error_t *err)
{
    zsys_init ();
    zsys_handler_set (NULL);
    zsys_set_logstream (stderr);
    self->doors.trust = self->context.trust;
    //  A private service has nobody to talk to but its owner
    if (!self->context.ephemeral && server_doors_key (&self->doors, self->state, err))
        return -1;
    if (self->doors.certificate)
        self->context.server_key = zcert_public_txt (self->doors.certificate);
    return server_doors_own (&self->doors, self->bus_endpoint, self->events_endpoint, err);
}

//  Beside the operator's own: the principals are known by now.
static int
s_more_doors (server_t *self, const server_options_t *options, berth_error_t *err)
{
    trust_set_roots (self->context.trust, options->roots);
    trust_set_local (self->context.trust, options->local_over_tcp);
    if (options->doors_count && self->context.ephemeral)
        return berth_fail (err, BERTH_INVALID, "a private service has no doors");
    for (size_t index = 0; index < options->doors_count; index++)
        if (server_doors_open (&self->doors, &options->doors [index], err))
            return -1;
    self->context.network_bus = self->doors.bus;
    self->context.network_events = self->doors.events;
    self->context.gate = self->doors.gate;
    return 0;
}

static void
s_stop (void *context, bool release)
{
    server_t *self = context;
    if (release)
        self->release = true;
    uint64_t one = 1;
    (void) !write (self->stop_fd, &one, sizeof one);        //  It is already set, or it is set now
}

static int
s_parts (server_t *self, const server_options_t *options, berth_error_t *err)
{
    context_t *context = &self->context;
    context->wiring = wiring_new ();
    wiring_set_quotas (context->wiring, self->quotas);
    wiring_set_trust (context->wiring, context->trust);
    for (size_t index = 0; provider_at (index) && index < PROXIES_MAX; index++)
        self->proxies [self->proxies_count++] = proxy_new (context, provider_at (index));
    if (!(self->principals = principals_new (context, err)) || s_more_doors (self, options, err))
        return -1;
    self->front = front_new (self->doors.doors, self->doors.doors_count, context->trust,
                             context->instance, context->host.install_id, context->wiring);
    self->doors.doors_count = 0;
    bus_parts_t parts = { .front = self->front, .quotas = self->quotas, .proxies = self->proxies,
                          .proxies_count = self->proxies_count, .stop = s_stop,
                          .stop_context = self };
    size_t outlets = self->doors.outlets_count;
    self->doors.outlets_count = 0;
    if (!(self->publisher = publisher_new (context, self->doors.outlets, outlets, err))
        || !(self->registry = registry_new (context, err))
        || !(self->realizer = realizer_new (context, err))
        || !(self->leases = leases_new (context, err))
        || !(self->execs = execs_new (context, err))
        || !(self->runs = runs_new (context, err))
        || !(self->secrets = secrets_new (context, err))
        || !(self->reader = reader_new (context, err))
        || !(self->keeper = keeper_new (context, err)))
        return -1;
    parts.publisher = self->publisher;
    return (self->inspector = inspector_new (context, &parts, err)) ? 0 : -1;
}

static void
s_run (server_t *self, zactor_fn *actor, void *args)
{
    zactor_t *started = zactor_new (actor, args);
    ENSURE (started);
    self->actors [self->actors_count++] = started;
}

static void
s_actors (server_t *self)
{
    //  It listens first; what the rows say is due is taken up beside live requests.
    s_run (self, publisher_actor, self->publisher);
    for (size_t index = 0; index < self->proxies_count; index++)
        s_run (self, proxy_actor, self->proxies [index]);
    s_run (self, principals_actor, self->principals);
    s_run (self, secrets_actor, self->secrets);
    s_run (self, keeper_actor, self->keeper);
    s_run (self, registry_actor, self->registry);
    s_run (self, realizer_actor, self->realizer);
    s_run (self, execs_actor, self->execs);
    s_run (self, leases_actor, self->leases);
    s_run (self, runs_actor, self->runs);
    s_run (self, reader_actor, self->reader);
    s_run (self, inspector_actor, self->inspector);
    s_run (self, front_actor, self->front);
}

//  Behind the fork of the spawner: places keep the limit of files that this process was started with.
static int
s_guard (void)
{
    accept_guard ();
    server_keep_secrets ();
    return 0;
}

int
server_start (const server_options_t *options, server_t **ret_self, berth_error_t *err)
{
    own (server) self = calloc (1, sizeof (server_t));
    ENSURE (self);
    self->magic = SERVER_MAGIC;
    self->state_lock = self->runtime_lock = self->stop_fd = self->signal_fd = -1;
    self->owner_fd = options->owner_fd;
    self->alive = options->alive;
    self->alive_ms = options->alive ? options->alive_ms : 0;
    self->quotas = options->quotas ? options->quotas : quotas_new (NULL);
    self->context.trust = trust_new ();
    if (s_directories (self, options, err)
        || s_programs (self, options, err)
        || store_open (self->state, options->store_max, &self->context.store, err)
        || server_vault (self->state, options, self->context.store, &self->context, err)
        || s_host (self, options, err)
        || s_signals (self, err)
        || s_guard ()
        || s_sockets (self, err)
        || s_parts (self, options, err))
        return -1;
    store_set_keys_max (self->context.store, options->keys_max);
    s_actors (self);
    trim_after_start ();
    if (store_was_restored (self->context.store))
        log_event ("restored", "install=%s", self->context.host.install_id);
    log_event ("started", "instance=%s version=%s bus=%s", self->context.instance, BERTH_VERSION,
               self->bus_endpoint);
    *ret_self = take (self);
    return 0;
}

int
server_restore (const server_options_t *options, const char *path, berth_error_t *err)
{
    int lock = -1;
    int rc = server_make_dir (options->state, "state", err)
          || server_lock (options->state, "lock", &lock, err)
          || store_restore (options->state, path, err) ? -1 : 0;
    if (lock >= 0)
        close (lock);
    return rc;
}

//  ---- serving

//  What is due while nothing happens. Returns the time until something is, in ms.
static int
s_tick (server_t *self, int64_t *readers_ms, int64_t *alive_ms)
{
    int64_t now_ms = berth_mono_ms (), next_ms;
    if (now_ms >= *readers_ms) {
        int dead = store_clear_readers (self->context.store);
        if (dead)
            log_event ("readers_cleared", "count=%d", dead);
        *readers_ms = now_ms + SERVER_READERS_MS;
    }
    next_ms = *readers_ms;
    if (self->alive_ms) {
        if (now_ms >= *alive_ms) {
            //  A front door that is stuck is not told of: whoever listens then starts us anew.
            if (now_ms - front_turned_ms (self->front) < SERVER_STUCK_MS)
                self->alive ();
            *alive_ms = now_ms + self->alive_ms;
        }
        next_ms = *alive_ms < next_ms ? *alive_ms : next_ms;
    }
    return (int) (next_ms - now_ms);
}

void
server_wait (server_t *self)
{
    CHECK (self, SERVER_MAGIC);
    struct pollfd watched [] = {
        { self->signal_fd, POLLIN, 0 }, { self->stop_fd, POLLIN, 0 }, { self->owner_fd, POLLIN, 0 },
    };
    nfds_t count = self->owner_fd >= 0 ? 3 : 2;
    int64_t readers_ms = berth_mono_ms () + SERVER_READERS_MS, alive_ms = 0;
    while (true) {
        if (poll (watched, count, s_tick (self, &readers_ms, &alive_ms)) <= 0)
            continue;
        struct signalfd_siginfo info;
        if (watched [0].revents && read (self->signal_fd, &info, sizeof info) == sizeof info) {
            if (info.ssi_signo == SIGHUP)
                continue;           //  A terminal that went away is no reason to stop
            log_event ("stopping", "signal=%u", info.ssi_signo);
            return;
        }
        if (watched [1].revents) {
            log_event ("stopping", "asked=bus.shutdown release=%d", self->release);
            return;
        }
        char byte;
        if (count == 3 && watched [2].revents && read (self->owner_fd, &byte, 1) <= 0) {
            log_event ("stopping", "owner=gone");
            return;
        }
    }
}

//  ---- stopping

static void
s_too_late (int signal_number)
{
    (void) signal_number;
    _exit (berth_code_exit (BERTH_DEADLINE_EXCEEDED));
}

//  How many leases hold something; 0 also when that can't be read.
static uint64_t
s_unsettled (server_t *self)
{
    own (store_txn) txn = NULL;
    berth_error_t err = { 0 };
    if (store_read (self->context.store, &txn, &err))
        return 0;
    //  What is retained is meant to stay.
    static const lease_state_t states [] = { lease_state_PENDING, lease_state_ACTIVE,
                                             lease_state_RELEASING, lease_state_CLEANUP };
    uint64_t count = 0;
    for (size_t index = 0; index < BERTH_COUNT (states); index++)
        count += table_rows_in (txn, TABLE_LEASES, (int) states [index]);
    //  Places that are kept for the next lease go too.
    return count + index_entries (txn, INDEX_LEASE_KEPT, NULL);
}

//  Closes every place, as far as that can be done in the time of a stop.
static void
s_release_all (server_t *self)
{
    post_t *post = post_new (self->context.wiring);
    letter_t letter = { .magic = LETTER_MAGIC, .type = REQUEST_LEASE_RELEASE_ALL,
                        .roles = ROLE_INTERNAL };
    (void) post_letter (post, ACTOR_LEASES, NULL, INBOX_INTERNAL, &letter, berth_empty_map,
                        (berth_bytes_t) { NULL, 0 }, NULL);
    int64_t until_ms = berth_mono_ms () + BERTH_STOP_MS - 2000;
    struct pollfd nothing = { -1, 0, 0 };
    uint64_t left;
    while ((left = s_unsettled (self)) && berth_mono_ms () < until_ms)
        (void) poll (&nothing, 1, 10);
    if (left)
        log_event ("not_released", "leases=%llu", (unsigned long long) left);
    post_destroy (&post);
}

void
server_destroy (server_t **self_p)
{
    server_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, SERVER_MAGIC);
    //  A stop is bounded, whatever hangs; a second SIGTERM means now.
    signal (SIGALRM, s_too_late);
    alarm (BERTH_STOP_MS / 1000);
    signal (SIGTERM, SIG_DFL);
    sigset_t term;
    sigemptyset (&term);
    sigaddset (&term, SIGTERM);
    pthread_sigmask (SIG_UNBLOCK, &term, NULL);

    if (self->actors_count && (self->release || self->context.ephemeral))
        s_release_all (self);
    while (self->actors_count)
        zactor_destroy (&self->actors [--self->actors_count]);
    inspector_destroy (&self->inspector);
    reader_destroy (&self->reader);
    runs_destroy (&self->runs);
    execs_destroy (&self->execs);
    leases_destroy (&self->leases);
    realizer_destroy (&self->realizer);
    registry_destroy (&self->registry);
    publisher_destroy (&self->publisher);
    principals_destroy (&self->principals);
    secrets_destroy (&self->secrets);
    front_destroy (&self->front);
    bool quiet = keeper_destroy (&self->keeper);
    while (self->proxies_count)
        quiet &= proxy_destroy (&self->proxies [--self->proxies_count]);
    server_doors_close (&self->doors);
    if (!quiet) {
        //  A thread hangs in its call (a provider's, a backup's): it must not find its feet gone when it
        //  wakes up. What a provider does is taken up again from its row.
        log_event ("stopped", "hanging=call");
        store_destroy (&self->context.store);
        _exit (0);
    }
    wiring_destroy (&self->context.wiring);
    quotas_destroy (&self->quotas);
    trust_destroy (&self->context.trust);
    vault_destroy (&self->context.vault);
    free (self->context.master_path);
    spawner_destroy (&self->context.host.spawner);
    store_destroy (&self->context.store);
    if (self->signal_fd >= 0)
        close (self->signal_fd);
    if (self->stop_fd >= 0)
        close (self->stop_fd);
    if (self->runtime_lock >= 0)
        close (self->runtime_lock);
    if (self->state_lock >= 0)
        close (self->state_lock);
    zstr_free (&self->state);
    zstr_free (&self->runtime);
    zstr_free (&self->places);
    zstr_free (&self->spool);
    zstr_free (&self->shims);
    alarm (0);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

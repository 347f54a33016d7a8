//  provider.h - what opens and closes places: the struct of functions, and its contract.
//
//  One provider, one file; providers.c lists them; tests/provider_contract.c runs against each.
//
//  The contract
//  - `validate`, `probe` and every verb may be called from several threads at once (at most
//    `concurrency` of them); `open` once, before; `close` once, after.
//  - A verb ends by its deadline (monotonic ms, berth_mono_ms), with provider_timeout if it must.
//  - `acquire` with a lease id that was used returns the same place (idempotent), and leaves
//    nothing behind when it fails.
//  - `release` and `destroy` of what is gone succeed. They confirm: when they return 0, the
//    place's processes are gone, and (unless files are kept) its files too.
//  - What is not there is NULL; the proxy answers `unsupported` with the verb's name.
//  - No store, no bus, no log, no globals; children through the spawner only.
//  - Results live in the arena of the call; inputs belong to the caller.
//  - Errors: invalid_request (config), unsupported, provider_error, provider_timeout,
//    provider_unavailable; a sentence in `text`, what lies below in `cause`, and a `remedy`.

#ifndef BERTH_PROVIDER_H_INCLUDED
#define BERTH_PROVIDER_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "place.h"
#include "spawner.h"

//  What a provider may use of the service it lives in. Outlives the provider.
typedef struct {
    const char *state;              //  State directory; places stand in <state>/places/<lease id>
    const char *runtime;            //  Runtime directory; sockets of shims in <runtime>/p
    const char *provider;           //  Under which name it is opened: one struct may serve several
    const char *install_id;         //  Label of everything that is made outside
    spawner_t *spawner;
    const char *init_path;          //  berth-init
    uint32_t uid_first, uid_count;  //  Host uids for places when started by root; count 0: none
    bool local_as_root;             //  Driver local may run as root
} provider_host_t;

//  How far a copy is; a return other than 0 cancels.
typedef int (provider_progress_fn) (void *context, const workspace_progress_t *progress);

//  One place that exists, for `list`.
typedef int (provider_each_fn) (void *context, const char *provider_lease, berth_bytes_t labels);

typedef struct {
    const char *name;               //  Provider key, as config.provider says it
    const char *title;              //  Shown to people
    const char *doc;                //  One sentence
    const berth_schema_t *config;   //  Strict shape of its config (without `provider`)
    unsigned can;                   //  PROVIDER_CAN_ bits
    unsigned concurrency;           //  Calls at once
    bool for_tests;                 //  Only under --test-providers (it may be probed without)
    bool opens_nothing;             //  acquire needs no call: a lease is active with its first write
    bool exclusive;                 //  A place has one holder at a time

    int (*open) (void **ret_self, const provider_host_t *host, berth_error_t *err);
    void (*close) (void **self_p);

    //  Is this config right (beyond its shape)? *ret_normal is what will be kept (may be `config`).
    //  Pure rules, without a call: self may be NULL, for whoever saves a config opens nothing.
    int (*validate) (void *self, berth_bytes_t config, arena_t *arena, berth_bytes_t *ret_normal,
                     berth_error_t *err);
    //  Can work run here with this config? ok = false with a summary is an answer, not a failure.
    int (*probe) (void *self, const place_probe_t *ask, int64_t deadline_ms, arena_t *arena,
                  probe_result_t *ret_result, berth_error_t *err);
    int (*acquire) (void *self, const place_open_t *ask, int64_t deadline_ms, arena_t *arena,
                    place_opened_t *ret_place, berth_error_t *err);
    //  Of a provider that opens nothing: what acquire would name the place, as a function of its
    //  arguments alone; `fresh` is a new id. NULL: it has no name.
    int (*foresee) (const place_open_t *ask, const char *fresh, arena_t *arena,
                    place_opened_t *ret_place, berth_error_t *err);
    //  Takes a place up again; not_found: it is lost, acquire another.
    int (*resume) (void *self, const place_open_t *ask, const char *provider_lease,
                   int64_t deadline_ms, arena_t *arena, place_opened_t *ret_place,
                   berth_error_t *err);
    int (*release) (void *self, const place_close_t *ask, int64_t deadline_ms, berth_error_t *err);
    int (*destroy) (void *self, const place_close_t *ask, int64_t deadline_ms, berth_error_t *err);
    //  What may make the next acquire faster: called behind the answer of a release, destroy or probe,
    //  by the thread that called it. NULL: nothing does.
    void (*prepare) (void *self);
    //  Files in, by the contract of providers/tree.h.
    int (*realize) (void *self, const place_realize_t *ask, provider_progress_fn *progress,
                    void *context, int64_t deadline_ms, arena_t *arena,
                    place_realized_t *ret_realized, berth_error_t *err);
    //  Files home.
    int (*give_back) (void *self, const place_return_t *ask, provider_progress_fn *progress,
                      void *context, int64_t deadline_ms, arena_t *arena,
                      workspace_returned_t *ret_returned, berth_error_t *err);
    //  Every place of this install; a list that can't be read is a failure, never empty.
    int (*list) (void *self, provider_each_fn *each, void *context, int64_t deadline_ms,
                 berth_error_t *err);
    //  Pure rules, without a call (Paperclip: reference, sections 2.3 and 4): does this lease's
    //  place fit this config? *ret_reason says why not (static text), NULL if it does.
    bool (*reuse_match) (berth_bytes_t config, const lease_t *lease, const char **ret_reason);
    //  The config of a lease from its metadata; not_found if it is another provider's.
    int (*config_from_lease) (const lease_t *lease, arena_t *arena, berth_bytes_t *ret_config,
                              berth_error_t *err);
} provider_t;

//  The list, by name; NULL at the end. Drivers `local` and `ssh` are providers of that name.
const provider_t *provider_at (size_t index);

//  For tests of many providers beside each other: so many more of provider fault, named fault-1 and
//  on. Before anything else looks at the list.
enum { PROVIDERS_MAX = 96, PROVIDERS_FAULTS_MAX = 64 };
void providers_add_faults (size_t count);
const provider_t *provider_by_name (const char *name);

//  The provider of an environment: the driver's own, or config.provider of driver sandbox
//  (default: fake, as in Paperclip). unsupported_environment with a sentence if there is none.
int provider_of (environment_driver_t driver, berth_bytes_t config, arena_t *arena,
                 const provider_t **ret_provider, berth_error_t *err);

//  Checks a config against the provider's schema, then by its own `validate` (self may be NULL).
//  Errors name the path: config.memoryMb. `provider` and Berth's host keys are left out of what the
//  provider sees and stay in *ret_normal.
int provider_check_config (const provider_t *provider, void *self, berth_bytes_t config,
                           arena_t *arena, berth_bytes_t *ret_normal, berth_error_t *err);

#endif

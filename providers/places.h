//  places.h - what the built-in providers share: places as folders of this host.
//
//  <state>/places/<lease id>/      0711 by root (the place's own user comes by), 0700 by a user
//      place.msgpack               a place_record: labels, generation, provider, host uid
//      workspace/ home/            the place's user's, 0700
//      disk/                       with diskMb: a file system of that size that holds both
//      snapshot                    what was realized (tree.h)
//      shim.log shim.msgpack       the shim's
//
//  Folders of places that were closed wait, emptied, as <state>/places-kept-<provider>-<n>.
//
//  A folder appears under its name only when it is whole: it is made beside, with its record, and
//  renamed before anything is started in it. The lease's id is the key: its calls take turns.

#ifndef BERTH_PLACES_H_INCLUDED
#define BERTH_PLACES_H_INCLUDED

#include "git_home.h"
#include "provider.h"
#include "words.h"

#define PLACE_LABELS(F, T) \
    F (T, STR,   install,   "install",   REQUIRED, 64, "Which Berth made it.") \
    F (T, STR,   company,   "company",   REQUIRED, 64, "For whom.") \
    F (T, ID,    env,       "environment", REQUIRED, 36, "In which environment.") \
    F (T, STR,   run,       "run",       NULLABLE, 128, "For which run.") \
    F (T, STR,   issue,     "issue",     NULLABLE, 128, "For which issue.") \
    F (T, ID,    lease,     "lease",     REQUIRED, 36, "For which lease.")
BERTH_MESSAGE (place_labels, PLACE_LABELS);

#define PLACE_RECORD(F, T) \
    F (T, U64,   v,         "v",         REQUIRED, 0, "Version of this record: 1.") \
    F (T, STR,   provider,  "provider",  REQUIRED, 64, "Who made it.") \
    F (T, OBJ (place_labels), labels, "labels", REQUIRED, 0, "Whose it is.") \
    F (T, U64,   generation, "generation", REQUIRED, 0, "Of the lease that holds it.") \
    F (T, U64,   uid,       "uid",       OPTIONAL, 0, "Its own host uid and gid; absent: the caller's.") \
    F (T, U64,   disk_mb,   "diskMb",    OPTIONAL, 0, "Size of its own file system; absent: none.") \
    F (T, TIME,  created_at, "createdAt", REQUIRED, 0, "When it was made.") \
    F (T, ANY,   opened,    "opened",    OPTIONAL | OBJECT, 131072, "The answer of its acquire.") \
    F (T, BOOL,  closed,    "closed",    OPTIONAL, 0, "Nothing runs there; its files are kept.")
BERTH_MESSAGE (place_record, PLACE_RECORD);

//  One place; lives in the arena of the call.
typedef struct {
    const char *id;                 //  Of the lease that it was made for
    const char *folder;
    const char *workspace;          //  On the host
    const char *home;
    const char *socket;             //  Of its shim
    place_record_t record;
} place_t;

typedef struct places places_t;

//  What a provider adds before the shim is asked: argv, walls, environment; the rest of `open` is
//  filled already. `metadata` is laid over what every place tells (provider, remoteCwd,
//  shellCommand, endsBy, limitsBy, uid).
typedef struct {
    shim_open_t open;
    berth_bytes_t metadata;
    const char *name;               //  What the provider calls the place; NULL: <provider>:<id>
} places_plan_t;
typedef int (places_plan_fn) (void *context, const place_open_t *ask, const place_t *place,
                              arena_t *arena, places_plan_t *plan, berth_error_t *err);

typedef struct {
    bool own_uids;                  //  Give each place a host uid of its own
    uint64_t disk_mb;               //  0: no file system of its own
    places_plan_fn *plan;
    void *context;
} places_how_t;

//  Makes <state>/places and <runtime>/p, removes what a crash left half made. Errors: provider_unavailable with the path and a remedy.
int places_open (places_t **ret_self, const provider_host_t *host, const char *provider,
                 berth_error_t *err);
void places_destroy (places_t **self_p);

//  Where the host's state stands, without links.
const char *places_state (const places_t *self);
const char *places_provider (const places_t *self);

//  ---- the verbs, with the contract of provider.h

int places_acquire (places_t *self, const place_open_t *ask, const places_how_t *how,
                    int64_t deadline_ms, arena_t *arena, place_opened_t *ret_place,
                    berth_error_t *err);
//  With `how`, a place that was closed with its files kept is opened anew for its next holder.
int places_resume (places_t *self, const place_open_t *ask, const places_how_t *how,
                   const char *provider_lease, int64_t deadline_ms, arena_t *arena,
                   place_opened_t *ret_place, berth_error_t *err);
int places_close (places_t *self, const place_close_t *ask, int64_t deadline_ms,
                  berth_error_t *err);
int places_realize (places_t *self, const place_realize_t *ask, const char *cwd,
                    provider_progress_fn *progress, void *context, int64_t deadline_ms,
                    arena_t *arena, place_realized_t *ret_realized, berth_error_t *err);
int places_give_back (places_t *self, const place_return_t *ask, provider_progress_fn *progress,
                      void *context, int64_t deadline_ms, arena_t *arena,
                      workspace_returned_t *ret_returned, berth_error_t *err);
int places_list (places_t *self, provider_each_fn *each, void *context, berth_error_t *err);

//  What every provider of places can: commands, streams, terminals, files in and out.
#define PLACES_CAN \
    (PROVIDER_CAN_ARGV | PROVIDER_CAN_ENV | PROVIDER_CAN_STDIN_EOF | PROVIDER_CAN_SPLIT_STREAMS \
     | PROVIDER_CAN_SIGNALS | PROVIDER_CAN_PTY | PROVIDER_CAN_RESUME | PROVIDER_CAN_LIST \
     | PROVIDER_CAN_SYNC_IN | PROVIDER_CAN_SYNC_OUT | PROVIDER_CAN_EXECUTE)

//  How the object of such a provider begins, where verbs need nothing but its places: these then
//  serve as they are.
typedef struct {
    unsigned magic;                 //  PLACES_OWNER_MAGIC
    places_t *places;
} places_owner_t;
enum { PLACES_OWNER_MAGIC = 0x91ace0 };

int places_verb_resume (void *object, const place_open_t *ask, const char *provider_lease,
                        int64_t deadline_ms, arena_t *arena, place_opened_t *ret_place,
                        berth_error_t *err);
void places_verb_prepare (void *object);
int places_verb_close (void *object, const place_close_t *ask, int64_t deadline_ms,
                       berth_error_t *err);
int places_verb_give_back (void *object, const place_return_t *ask, provider_progress_fn *progress,
                           void *context, int64_t deadline_ms, arena_t *arena,
                           workspace_returned_t *ret_returned, berth_error_t *err);
int places_verb_list (void *object, provider_each_fn *each, void *context, int64_t deadline_ms,
                      berth_error_t *err);

//  Runs a program without arguments in an open place and waits for its end: did it exit with 0?
int places_run (places_t *self, const char *id, const char *program, int64_t deadline_ms,
                berth_error_t *err);

//  ---- for plans

//  "bash" if the host has one, else "sh": the place's is the host's.
const char *places_shell (void);

//  The text of an absolute path; NULL with invalid_request naming the field.
const char *places_path (berth_bytes_t path, arena_t *arena, const char *field, berth_error_t *err);

//  Names of variables with texts? invalid_request names the field.
int places_check_env (berth_bytes_t env, const char *field, berth_error_t *err);

//  Defaults of each exec's environment: our own, then the policy's, then the config's.
berth_blobs_t places_env (const char *home, berth_bytes_t policy, berth_bytes_t config,
                          arena_t *arena);

//  ---- inside (the files of places)

//  Calls for one lease take turns: waits until nobody else is at it. provider_timeout.
int places_claim (places_t *self, const char *lease, int64_t deadline_ms, berth_error_t *err);
void places_yield (places_t *self, const char *lease);

//  What starts programs; the host's.
spawner_t *places_spawner (const places_t *self);
//  Commits of a place come home; fills the fields of the answer that tell.
void places_bring_commits (places_t *self, const git_home_t *how, int64_t deadline_ms, arena_t *arena,
                           workspace_returned_t *returned);

//  The place's id, out of "<provider>:<id>" or "ssh://<host>/<folder>/<id>", else the lease's.
const char *places_id (const char *provider_lease, const char *lease);

//  Where a place lies or would lie, without its record: enough to end and to remove it.
void places_at (places_t *self, const char *id, arena_t *arena, place_t *ret_place);

//  Reads a place; not_found if there is none, provider_error if its record cannot be read.
int places_find (places_t *self, const char *id, arena_t *arena, place_t *ret_place,
                 berth_error_t *err);

//  Makes the folder, with record, workspace and home.
int places_make (places_t *self, const place_open_t *ask, const places_how_t *how, arena_t *arena,
                 place_t *ret_place, berth_error_t *err);

//  ---- places_folder.c

//  Makes the folder with workspace, home (and their disk, if the record bounds it), all of them the
//  record's uid's, and an empty record.
int places_folder_fill (place_t *place, const char *folder, arena_t *arena, berth_error_t *err);

//  Empties the folder of a place that was closed, but for the files that only we write: making and
//  removing files is most of what a place costs a file system. Errors: it is to be removed as a whole.
int places_folder_strip (const char *folder, berth_error_t *err);

//  Furnishes a folder that was emptied so; its place has no disk.
int places_folder_refill (const place_t *place, const char *folder, arena_t *arena,
                          berth_error_t *err);

//  Writes the record, and gives the folder the place's own name.
int places_folder_settle (const place_t *place, const char *folder, arena_t *arena,
                          berth_error_t *err);

//  Writes <folder>/place.msgpack; flags: O_CREAT or 0.
int places_folder_write (const char *folder, berth_bytes_t bytes, int flags, arena_t *arena,
                         berth_error_t *err);

//  Unmounts its disk, if it has one.
void places_folder_leave (const char *folder);

//  ---- places.c again

//  Makes the folder of the next place in advance, and has a shim wait for it; best effort, at a
//  time when nobody waits.
void places_prepare (places_t *self);

//  Has a shim open the place: the one that waits for it, else another.
int places_shim (places_t *self, const shim_open_t *open, int64_t deadline_ms, arena_t *arena,
                 shim_opened_t *ret_opened, berth_error_t *err);

//  Writes the record anew, in one write.
int places_keep (places_t *self, const place_t *place, arena_t *arena, berth_error_t *err);

//  Does its shim hold it?
bool places_alive (const place_t *place, int64_t deadline_ms);

//  Tells its shim that it has a new holder: record.generation.
int places_fence (const place_t *place, int64_t deadline_ms, berth_error_t *err);

//  Ends what runs in it: the shim is told, and it is looked after that it is true.
int places_end (places_t *self, const place_t *place, int64_t deadline_ms, berth_error_t *err);
//  The same, where what runs there may take so long to end by itself.
int places_drain (places_t *self, const place_t *place, int64_t grace_ms, int64_t deadline_ms,
                  berth_error_t *err);

//  Removes the folder and all that belongs to it; its uid is free again.
int places_remove (places_t *self, const place_t *place, berth_error_t *err);

#endif

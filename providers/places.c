//  places.c - owns the folders of places: how they are made, recorded, found and removed.

#include "places.h"
#include "places_spare.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

BERTH_SCHEMA (place_labels, PLACE_LABELS, 0, "Labels of a place.");
BERTH_SCHEMA (place_record, PLACE_RECORD, 0, "The record in a place's folder.");

enum {
    PLACES_MAGIC = 0x91ace5,
    CLAIMS_MAX = 256,               //  Calls at once; more than any provider's concurrency
    UIDS_MAX = 1 << 20,
    KEPT_MAX = 16,                  //  Folders of closed places
    RECORD_MAX = 262144
};

//  Half made and half removed: <prefix><lease id>.<provider>
#define NEW_PREFIX ".new-"
#define OLD_PREFIX ".old-"

struct places {
    unsigned magic;
    char *provider, *install;
    char *state, *folder, *sockets;     //  <state>, <state>/places, <runtime>/p
    spare_t *spare;                     //  In <state>/places-spare-<provider>
    spawner_t *spawner;
    uint32_t uid_first, uid_count;

    pthread_mutex_t lock;               //  Of what follows
    pthread_cond_t yielded;
    char claims [CLAIMS_MAX][BERTH_ID_SIZE];
    uint8_t *uids;                      //  A bit each: taken
    uint32_t uid_next;
    bool uids_read;                     //  Those of the places that were there before us
    pthread_mutex_t reading;            //  Held while they are read, before `lock`
};

//  ---------------------------------------------------------------------------------------------
//  Taking turns

spawner_t *
places_spawner (const places_t *self)
{
    return self->spawner;
}

int
places_claim (places_t *self, const char *lease, int64_t deadline_ms, berth_error_t *err)
{
    CHECK (self, PLACES_MAGIC);
    struct timespec until = { deadline_ms / 1000, deadline_ms % 1000 * 1000000 };
    pthread_mutex_lock (&self->lock);
    for (;;) {
        char *room = NULL;
        bool taken = false;
        for (size_t index = 0; index < CLAIMS_MAX; index++) {
            char *claim = self->claims [index];
            if (!*claim)
                room = claim;
            else if (strcmp (claim, lease) == 0)
                taken = true;
        }
        if (!taken && room) {
            snprintf (room, BERTH_ID_SIZE, "%s", lease);
            pthread_mutex_unlock (&self->lock);
            return 0;
        }
        if (pthread_cond_timedwait (&self->yielded, &self->lock, &until) == ETIMEDOUT) {
            pthread_mutex_unlock (&self->lock);
            return berth_fail (err, BERTH_PROVIDER_TIMEOUT,
                               "another call for this lease did not end in time");
        }
    }
}

void
places_yield (places_t *self, const char *lease)
{
    pthread_mutex_lock (&self->lock);
    for (size_t index = 0; index < CLAIMS_MAX; index++)
        if (strcmp (self->claims [index], lease) == 0)
            *self->claims [index] = 0;
    pthread_cond_broadcast (&self->yielded);
    pthread_mutex_unlock (&self->lock);
}

//  ---------------------------------------------------------------------------------------------
//  Host uids

static void
s_uid_mark (places_t *self, uint64_t uid, bool taken)
{
    if (uid < self->uid_first || uid - self->uid_first >= self->uid_count)
        return;
    uint32_t index = (uint32_t) (uid - self->uid_first);
    pthread_mutex_lock (&self->lock);
    if (taken)
        self->uids [index / 8] |= (uint8_t) (1u << index % 8);
    else
        self->uids [index / 8] &= (uint8_t) ~(1u << index % 8);
    pthread_mutex_unlock (&self->lock);
}

//  Reads once, when the first is wanted, which uids are taken: a start with many places is quick.
static int s_read_uids (places_t *self, berth_error_t *err);

//  The next that is free, in turn, so that one is not used again soon.
static int
s_uid_take (places_t *self, uint64_t *ret_uid, berth_error_t *err)
{
    if (s_read_uids (self, err))
        return -1;
    pthread_mutex_lock (&self->lock);
    for (uint32_t tried = 0; tried < self->uid_count; tried++) {
        uint32_t index = self->uid_next;
        self->uid_next = (index + 1) % self->uid_count;
        if (self->uids [index / 8] & 1u << index % 8)
            continue;
        self->uids [index / 8] |= (uint8_t) (1u << index % 8);
        pthread_mutex_unlock (&self->lock);
        *ret_uid = self->uid_first + index;
        return 0;
    }
    pthread_mutex_unlock (&self->lock);
    if (self->uid_count == 0) {
        berth_error_set (err->remedy, sizeof err->remedy,
                         "configure a range of host uids for places, or run berthd as a user");
        return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE,
                           "wall 'own uid': no host uids are configured, and root's own is no wall");
    }
    berth_error_set (err->remedy, sizeof err->remedy,
                     "release places, or configure a larger range of host uids");
    return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE,
                       "wall 'own uid': all %u host uids for places are taken", self->uid_count);
}

//  ---------------------------------------------------------------------------------------------
//  Records

const char *
places_id (const char *provider_lease, const char *lease)
{
    const char *end = provider_lease ? strrchr (provider_lease, ':') : NULL;
    const char *slash = end ? strrchr (end, '/') : NULL;
    if (slash)
        end = slash;                            //  "ssh://user@host:22/folder/<id>"
    return end && berth_id_is (end + 1) ? end + 1 : lease;
}

static void
s_locate (places_t *self, const char *id, arena_t *arena, place_t *place)
{
    char name [BERTH_ID_SIZE], *put = name;
    for (const char *get = id; *get; get++)
        if (*get != '-')
            *put++ = *get;
    *put = 0;
    const char *disk = berth_has (place_record, &place->record, disk_mb) ? "/disk" : "";
    place->id = arena_string (arena, id);
    place->folder = arena_printf (arena, "%s/%s", self->folder, id);
    place->workspace = arena_printf (arena, "%s%s/workspace", place->folder, disk);
    place->home = arena_printf (arena, "%s%s/home", place->folder, disk);
    place->socket = arena_printf (arena, "%s/%s", self->sockets, name);
}

void
places_at (places_t *self, const char *id, arena_t *arena, place_t *ret_place)
{
    CHECK (self, PLACES_MAGIC);
    *ret_place = (place_t) { 0 };
    s_locate (self, id, arena, ret_place);
}

int
places_find (places_t *self, const char *id, arena_t *arena, place_t *ret_place,
             berth_error_t *err)
{
    CHECK (self, PLACES_MAGIC);
    const char *path = arena_printf (arena, "%s/%s/place.msgpack", self->folder, id);
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        if (errno == ENOENT)
            return berth_fail (err, BERTH_NOT_FOUND, "there is no place '%s'", id);
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot open '%s'", path);
    }
    struct stat about;
    berth_bytes_t bytes = { NULL, 0 };
    if (fstat (fd, &about) == 0 && about.st_size <= RECORD_MAX) {
        uint8_t *data = arena_take (arena, (size_t) about.st_size + 1);
        ssize_t size = read (fd, data, (size_t) about.st_size);
        if (size >= 0)
            bytes = (berth_bytes_t) { data, (size_t) size };
    }
    close (fd);
    place_t place = { 0 };
    if (berth_unpack (&place_record_schema, bytes, arena, &place.record, err)) {
        berth_error_set (err->cause, sizeof err->cause, "%s", err->text);
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the record '%s' cannot be read", path);
    }
    s_locate (self, id, arena, &place);
    *ret_place = place;
    return 0;
}

int
places_keep (places_t *self, const place_t *place, arena_t *arena, berth_error_t *err)
{
    CHECK (self, PLACES_MAGIC);
    return places_folder_write (place->folder, berth_pack (&place_record_schema, &place->record, arena), 0,
                    arena, err);
}

//  ---------------------------------------------------------------------------------------------
//  Making and removing

//  ---- folders that wait for the next place

static const char *
s_kept (const places_t *self, unsigned slot, char path [4300])
{
    snprintf (path, 4300, "%s-kept-%s-%u", self->folder, self->provider, slot);
    return path;
}

static bool
s_keep (places_t *self, const place_t *place, const char *folder)
{
    char kept [4300];
    berth_error_t why = { 0 };                  //  Then it is removed as a whole, and that says why
    if (berth_has (place_record, &place->record, disk_mb) || places_folder_strip (folder, &why))
        return false;
    for (unsigned slot = 0; slot < KEPT_MAX; slot++)
        if (renameat2 (AT_FDCWD, folder, AT_FDCWD, s_kept (self, slot, kept), RENAME_NOREPLACE) == 0)
            return true;
    return false;
}

//  A whole folder for a place, out of one that waits if there is one.
static int
s_fill (places_t *self, place_t *place, const char *folder, arena_t *arena, berth_error_t *err)
{
    char kept [4300];
    if (!berth_has (place_record, &place->record, disk_mb))
        for (unsigned slot = 0; slot < KEPT_MAX; slot++)
            if (rename (s_kept (self, slot, kept), folder) == 0)
                return places_folder_refill (place, folder, arena, err);
    return places_folder_fill (place, folder, arena, err);
}

static void
s_forget_kept (places_t *self)
{
    char kept [4300];
    for (unsigned slot = 0; slot < KEPT_MAX; slot++)
        (void) tree_remove (s_kept (self, slot, kept), NULL);   //  If it stays, it is not written over
}

void
places_prepare (places_t *self)
{
    CHECK (self, PLACES_MAGIC);
    bool own_uid;
    if (!spare_begin (self->spare, &own_uid))
        return;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };                  //  Best effort: places are made without it
    place_t place = { 0 };
    uint64_t uid = 0;
    if (own_uid && s_uid_take (self, &uid, &err)) {
        spare_failed (self->spare);
        return;
    }
    if (own_uid)
        berth_put (place_record, &place.record, uid, uid);
    if (s_fill (self, &place, spare_folder (self->spare), arena, &err)) {
        (void) tree_remove (spare_folder (self->spare), NULL);
        s_uid_mark (self, uid, false);
        spare_failed (self->spare);
        return;
    }
    spare_made (self->spare, own_uid ? &uid : NULL);
}

int
places_make (places_t *self, const place_open_t *ask, const places_how_t *how, arena_t *arena,
             place_t *ret_place, berth_error_t *err)
{
    CHECK (self, PLACES_MAGIC);
    place_labels_t labels = {
        .install = self->install, .company = ask->company, .env = ask->env, .run = ask->run,
        .issue = ask->issue, .lease = ask->lease
    };
    place_t place = { 0 };
    berth_put (place_record, &place.record, v, 1);
    place.record.provider = self->provider;
    place.record.labels = arena_copy (arena, &labels, sizeof labels);
    berth_put (place_record, &place.record, generation, ask->generation);
    berth_put (place_record, &place.record, created_at, berth_wall_ms ());
    if (how->disk_mb)
        berth_put (place_record, &place.record, disk_mb, how->disk_mb);
    uint64_t uid = 0;
    const char *folder = arena_printf (arena, "%s/" NEW_PREFIX "%s.%s", self->folder, ask->lease,
                                       self->provider);
    bool fresh = how->disk_mb || !spare_take (self->spare, how->own_uids, folder, &uid);
    if (fresh && how->own_uids && s_uid_take (self, &uid, err))
        return -1;
    if (how->own_uids)
        berth_put (place_record, &place.record, uid, uid);
    s_locate (self, ask->lease, arena, &place);
    if ((fresh && s_fill (self, &place, folder, arena, err)) || places_folder_settle (&place, folder, arena, err)) {
        places_folder_leave (folder);
        (void) tree_remove (folder, NULL);      //  The next start tries again
        if (how->own_uids)
            s_uid_mark (self, place.record.uid, false);
        return -1;
    }
    *ret_place = place;
    return 0;
}

int
places_remove (places_t *self, const place_t *place, berth_error_t *err)
{
    CHECK (self, PLACES_MAGIC);
    //  Renamed first: a place is there as a whole, or on its way out.
    char going [4300];
    snprintf (going, sizeof going, "%s/" OLD_PREFIX "%s.%s", self->folder, place->id,
              self->provider);
    places_folder_leave (place->folder);
    bool there = rename (place->folder, going) == 0;
    if (!there && errno != ENOENT)
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot remove '%s'", place->folder);
    if (!(there && s_keep (self, place, going)) && tree_remove (going, err)) {
        berth_error_set (err->cause, sizeof err->cause, "%s", err->text);
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the files of the place cannot be removed");
    }
    if (unlink (place->socket) && errno != ENOENT)
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot remove '%s'", place->socket);
    if (berth_has (place_record, &place->record, uid))
        s_uid_mark (self, place->record.uid, false);
    return 0;
}

//  ---------------------------------------------------------------------------------------------
//  Start, end, list

typedef int (s_name_fn) (places_t *self, const char *name, void *context, berth_error_t *err);

static int
s_each (places_t *self, s_name_fn *each, void *context, berth_error_t *err)
{
    DIR *folder = opendir (self->folder);
    if (!folder)
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot list '%s'", self->folder);
    int rc = 0;
    struct dirent *entry;
    errno = 0;
    while (rc == 0 && (entry = readdir (folder))) {
        rc = each (self, entry->d_name, context, err);
        errno = 0;
    }
    if (rc == 0 && errno)
        rc = berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot list '%s'", self->folder);
    closedir (folder);
    return rc;
}

static int
s_read_uid (places_t *self, const char *name, void *context, berth_error_t *err)
{
    arena_t *arena = context;
    place_t place;
    if (!berth_id_is (name))
        return 0;
    arena_clear (arena);
    if (places_find (self, name, arena, &place, err))
        return err->code == BERTH_NOT_FOUND ? 0 : -1;       //  Removed meanwhile
    if (berth_has (place_record, &place.record, uid))
        s_uid_mark (self, place.record.uid, true);
    return 0;
}

static int
s_read_uids (places_t *self, berth_error_t *err)
{
    own (arena) arena = arena_new ();
    int rc = 0;
    pthread_mutex_lock (&self->reading);
    if (!self->uids_read)
        rc = s_each (self, s_read_uid, arena, err);
    self->uids_read = rc == 0;
    pthread_mutex_unlock (&self->reading);
    return rc;
}

//  What a crash left: never a place, nothing was started in it or everything was ended. Its uid
//  could not be read, and is free: nothing runs with it.
static int
s_sweep (places_t *self, const char *name, void *context, berth_error_t *err)
{
    arena_t *arena = context;
    const char *dot = strchr (name + 1, '.');
    if (*name != '.' || !dot || strcmp (dot + 1, self->provider)
        || (strncmp (name, NEW_PREFIX, strlen (NEW_PREFIX))
            && strncmp (name, OLD_PREFIX, strlen (OLD_PREFIX))))
        return 0;
    const char *path = arena_printf (arena, "%s/%s", self->folder, name);
    places_folder_leave (path);
    return tree_remove (path, err);
}

typedef struct {
    provider_each_fn *each;
    void *context;
    arena_t *arena;
} list_t;

static int
s_list_one (places_t *self, const char *name, void *context, berth_error_t *err)
{
    list_t *list = context;
    place_t place;
    if (!berth_id_is (name))
        return 0;
    arena_clear (list->arena);
    if (places_find (self, name, list->arena, &place, err))
        return err->code == BERTH_NOT_FOUND ? 0 : -1;       //  Removed meanwhile
    if (strcmp (place.record.provider, self->provider))
        return 0;                   //  Whose it is of those who know our state says its label
    const char *key = arena_printf (list->arena, "%s:%s", self->provider, name);
    place_opened_t opened = { 0 };
    if (berth_has (place_record, &place.record, opened)
        && berth_unpack (&place_opened_schema, place.record.opened, list->arena, &opened, NULL) == 0
        && opened.provider_lease)
        key = opened.provider_lease;
    berth_bytes_t labels = berth_pack (&place_labels_schema, place.record.labels, list->arena);
    if (list->each (list->context, key, labels))
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the list of places was broken off");
    return 0;
}

int
places_list (places_t *self, provider_each_fn *each, void *context, berth_error_t *err)
{
    CHECK (self, PLACES_MAGIC);
    own (arena) arena = arena_new ();
    list_t list = { each, context, arena };
    return s_each (self, s_list_one, &list, err);
}

const char *
places_state (const places_t *self)
{
    return self->state;
}

const char *
places_provider (const places_t *self)
{
    return self->provider;
}

int
places_shim (places_t *self, const shim_open_t *open, int64_t deadline_ms, arena_t *arena,
             shim_opened_t *ret_opened, berth_error_t *err)
{
    CHECK (self, PLACES_MAGIC);
    int call = spare_take_shim (self->spare, open, arena);
    berth_error_t stale = { 0 };                //  It may have ended meanwhile: then another one
    if (call >= 0 && spawner_open_on (&call, open, deadline_ms, arena, ret_opened, &stale) == 0)
        return 0;
    *ret_opened = (shim_opened_t) { 0 };
    return spawner_open (self->spawner, open, deadline_ms, arena, ret_opened, err);
}

static char *
s_join (const char *left, const char *right)
{
    char *path = NULL;
    ENSURE (asprintf (&path, "%s%s", left, right) >= 0);
    return path;
}

//  Makes a folder that may be there. `mode` is given to what we make, never taken away again.
static int
s_make_folder (const char *path, mode_t mode, berth_error_t *err)
{
    if (mkdir (path, mode) == 0) {
        if (chmod (path, mode) == 0)
            return 0;
    }
    else if (errno == EEXIST)
        return 0;
    berth_error_set (err->remedy, sizeof err->remedy, "make the folder writable for berthd");
    return berth_fail_errno (err, BERTH_PROVIDER_UNAVAILABLE, "cannot make '%s'", path);
}

int
places_open (places_t **ret_self, const provider_host_t *host, const char *provider,
             berth_error_t *err)
{
    char *state = realpath (host->state, NULL);
    if (!state)
        return berth_fail_errno (err, BERTH_PROVIDER_UNAVAILABLE, "no state directory '%s'",
                                 host->state);
    own (arena) arena = arena_new ();
    own (places) self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = PLACES_MAGIC;
    self->provider = strdup (provider);
    self->install = strdup (host->install_id);
    self->state = state;
    self->folder = s_join (state, "/places");
    self->sockets = s_join (host->runtime, "/p");
    self->spawner = host->spawner;
    self->spare = spare_new (arena_printf (arena, "%s-spare-%s", self->folder, provider),
                             self->spawner);
    self->uid_first = host->uid_first;
    self->uid_count = host->uid_count < UIDS_MAX ? host->uid_count : UIDS_MAX;
    self->uids = calloc (1, self->uid_count / 8 + 1);
    ENSURE (self->provider && self->install && self->uids);
    pthread_mutex_init (&self->lock, NULL);
    pthread_mutex_init (&self->reading, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init (&clock);
    pthread_condattr_setclock (&clock, CLOCK_MONOTONIC);
    pthread_cond_init (&self->yielded, &clock);
    pthread_condattr_destroy (&clock);

    mode_t mode = geteuid () == 0 ? 0711 : 0700;
    if (s_make_folder (self->folder, mode, err) || s_make_folder (self->sockets, 0700, err)
        || s_each (self, s_sweep, arena, err))
        return -1;
    s_forget_kept (self);                       //  Of a service that was killed
    *ret_self = take (self);
    return 0;
}

void
places_destroy (places_t **self_p)
{
    places_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, PLACES_MAGIC);
    spare_destroy (&self->spare);
    s_forget_kept (self);
    pthread_cond_destroy (&self->yielded);
    pthread_mutex_destroy (&self->lock);
    pthread_mutex_destroy (&self->reading);
    free (self->provider);
    free (self->install);
    free (self->state);
    free (self->folder);
    free (self->sockets);
    free (self->uids);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

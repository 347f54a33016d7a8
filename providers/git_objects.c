//  git_objects.c - owns what is read of a place's repository: texts and objects, as bytes.

#include "git_objects.h"
#include "tree_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HEAD_MAX = 4096, PACKED_MAX = 16 << 20, PACKS_MAX = 1000 };

#define OBJECTS ".git/objects"

//  ---------------------------------------------------------------------------------------------
//  Refs

//  A small file as text, or NULL.
static char *
s_text (int place, const char *path, size_t max, arena_t *arena)
{
    int file = tree_open (place, path, O_RDONLY);
    struct stat about;
    char *text = NULL;
    if (file < 0)
        return NULL;
    if (fstat (file, &about) == 0 && S_ISREG (about.st_mode) && (size_t) about.st_size <= max) {
        text = arena_take (arena, (size_t) about.st_size + 1);
        ssize_t size = tree_read_all (file, text, (size_t) about.st_size, 0);
        text [size > 0 ? size : 0] = 0;
    }
    close (file);
    return text;
}

static const char *
s_packed (int place, const char *ref, arena_t *arena)
{
    char *at = s_text (place, ".git/packed-refs", PACKED_MAX, arena);
    while (at && *at) {
        char *line = strsep (&at, "\n"), *space = strchr (line, ' ');
        if (space && strcmp (space + 1, ref) == 0) {
            *space = 0;
            return line;
        }
    }
    return NULL;
}

//  HEAD of a place that is not there because it did not change: home's, if that did not either.
static char *
s_unchanged_head (int home, const char *snapshot, arena_t *arena)
{
    tree_snapshot_t *known = NULL;
    berth_error_t ignored;
    char *head = s_text (home, ".git/HEAD", HEAD_MAX, arena);
    if (!head || tree_snapshot_open (&known, snapshot, &ignored))
        return NULL;
    tree_seek_t seek = tree_seek_start (known, ".git");
    bool same = tree_seek (&seek, "HEAD") && seek.entry.kind == TREE_FILE
        && seek.entry.content.size == strlen (head)
        && XXH128_isEqual (seek.entry.content.hash, XXH3_128bits (head, strlen (head)));
    tree_snapshot_destroy (&known);
    return same ? head : NULL;
}

const char *
git_objects_head (int place, int home, const char *snapshot, arena_t *arena)
{
    char *head = s_text (place, ".git/HEAD", HEAD_MAX, arena);
    struct stat about;
    if (!head && fstatat (place, ".git/HEAD", &about, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)
        head = s_unchanged_head (home, snapshot, arena);
    if (!head)
        return NULL;
    head [strcspn (head, "\n")] = 0;
    if (strncmp (head, "ref: refs/", 10) != 0)
        return head;
    const char *ref = head + 5;
    if (strstr (ref, "..") || strstr (ref, "//"))
        return NULL;
    char *text = s_text (place, arena_printf (arena, ".git/%s", ref), HEAD_MAX, arena);
    if (!text)
        return s_packed (place, ref, arena);
    text [strcspn (text, "\n")] = 0;
    return text;
}

//  ---------------------------------------------------------------------------------------------
//  Objects

typedef struct {
    tree_job_t job;
    int place, repository;
    const char *shown;
    tree_snapshot_t *known;
    const struct stat *owner;
    size_t packs;
    berth_error_t *err;
} copy_t;

static int
s_copy (copy_t *self, int from_folder, const char *name, int to_folder, const char *to_name, mode_t mode)
{
    struct stat about;
    int from = tree_open (from_folder, name, O_RDONLY);
    if (from < 0)
        return tree_swapped (errno) ? 0 : tree_fail (self->err, "cannot read the object", name);
    int to = -1, rc = 0;
    tree_content_t content;
    bool root = geteuid () == 0;
    if (fstat (from, &about) || !S_ISREG (about.st_mode))
        rc = berth_fail (self->err, BERTH_PROVIDER_ERROR, "the object '%.60s' is no file", name);
    else if ((to = openat (to_folder, to_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                           0600)) < 0)
        rc = tree_fail (self->err, "cannot make the object", to_name);
    else
        switch (tree_pump (&self->job, from, &about, to, &content, self->err)) {
            case PUMP_DONE: break;
            case PUMP_STOPPED: rc = -1; break;
            case PUMP_READ_FAILED: case PUMP_WRITE_FAILED:
                rc = tree_fail (self->err, "cannot copy the object", name);
        }
    if (rc == 0 && tree_finish (to, root ? (int64_t) self->owner->st_uid : -1,
                                root ? (int64_t) self->owner->st_gid : -1, mode, &about.st_mtim))
        rc = tree_fail (self->err, "cannot give an owner to the object", to_name);
    close (from);
    if (to >= 0 && close (to) && rc == 0)
        rc = tree_fail (self->err, "cannot write the object", to_name);
    return rc;
}

static bool
s_is_hex (const char *name, size_t size)
{
    return strlen (name) == size && strspn (name, "0123456789abcdef") == size;
}

static bool
s_is_pack (const char *name)
{
    size_t size = strlen (name);
    return size > 10 && strncmp (name, "pack-", 5) == 0 && strcmp (name + size - 5, ".pack") == 0
        && strspn (name + 5, "0123456789abcdef") == size - 10;
}

//  One folder of objects: `loose` two digits, or NULL for packs.
static int
s_folder (copy_t *self, const char *path, const char *loose)
{
    int from = tree_open_folder (self->place, path);
    if (from < 0)
        return tree_swapped (errno) ? 0 : tree_fail (self->err, "cannot read the folder", path);
    tree_list_t list = { 0 };
    tree_seek_t known = tree_seek_start (self->known, path);
    int to = -1, rc = tree_list (&self->job, from, &list, path, self->err);
    for (size_t index = 0; rc == 0 && index < list.count; index++) {
        const char *name = tree_list_name (&list, index);
        bool wanted = loose ? s_is_hex (name, 38) || s_is_hex (name, 62) : s_is_pack (name);
        if (!wanted || tree_seek (&known, name))
            continue;
        char number [40];
        snprintf (number, sizeof number, "incoming-%zu", self->packs);
        if (loose && to < 0) {
            char folder [16];
            snprintf (folder, sizeof folder, "objects/%s", loose);
            (void) mkdirat (self->repository, folder, 0755);    //  Opening it says why
            to = tree_open_folder (self->repository, folder);
            if (to < 0 || (geteuid () == 0 && fchown (to, self->owner->st_uid, self->owner->st_gid))) {
                rc = tree_fail (self->err, "cannot make the folder", folder);
                break;
            }
        }
        if (!loose && self->packs == PACKS_MAX)
            rc = berth_fail (self->err, BERTH_INVALID, "the place made more than %d packs", PACKS_MAX);
        else
            rc = loose ? s_copy (self, from, name, to, name, 0444)
                       : s_copy (self, from, name, self->repository, number, 0444);
        self->packs += !loose;
    }
    if (to >= 0)
        close (to);
    close (from);
    tree_list_free (&list);
    return rc;
}

int
git_objects_copy (int place, const char *snapshot, const char *repository, const struct stat *owner,
                  int64_t deadline_mono_ms, size_t *ret_packs, berth_error_t *err)
{
    copy_t self = { .place = place, .shown = repository, .owner = owner, .err = err };
    tree_options_t options = { .uid = -1, .gid = -1, .deadline_mono_ms = deadline_mono_ms };
    if (tree_snapshot_open (&self.known, snapshot, err))
        return -1;
    self.repository = open (repository, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    tree_job_start (&self.job, &options);
    int rc = self.repository < 0 ? tree_fail (err, "cannot open", repository) : 0;
    for (unsigned number = 0; rc == 0 && number < 256; number++) {
        char digits [3], path [32];
        snprintf (digits, sizeof digits, "%02x", number);
        snprintf (path, sizeof path, OBJECTS "/%s", digits);
        rc = s_folder (&self, path, digits);
    }
    if (rc == 0)
        rc = s_folder (&self, OBJECTS "/pack", NULL);
    if (self.repository >= 0)
        close (self.repository);
    tree_job_end (&self.job);
    tree_snapshot_destroy (&self.known);
    *ret_packs = self.packs;
    return rc;
}

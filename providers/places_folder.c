//  places_folder.c - owns how the folder of a place is furnished: workspace, home, disk, record.

#include "places.h"

#include "codec.h"
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

//  In one write: no reader of a process that was killed sees half of it. (What a power cut leaves
//  is no record, and its place runs nowhere.)
int
places_folder_write (const char *folder, berth_bytes_t bytes, int flags, arena_t *arena, berth_error_t *err)
{
    const char *path = arena_printf (arena, "%s/place.msgpack", folder);
    int fd = open (path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    bool ok = fd >= 0 && pwrite (fd, bytes.data, bytes.size, 0) == (ssize_t) bytes.size
        && ftruncate (fd, (off_t) bytes.size) == 0;
    if (fd >= 0 && close (fd))
        ok = false;
    return ok ? 0 : berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot write '%s'", path);
}

static int
s_folder (const char *path, const place_t *place, berth_error_t *err)
{
    if (mkdir (path, 0700))
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot make '%s'", path);
    uid_t uid = (uid_t) place->record.uid;
    if (berth_has (place_record, &place->record, uid) && chown (path, uid, uid))
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot give '%s' to uid %u", path, uid);
    return 0;
}

//  A file system of its own, in memory: the one way to bound a folder that works everywhere. What
//  the place writes there also counts as its memory.
static int
s_disk (const char *folder, const place_t *place, arena_t *arena, berth_error_t *err)
{
    const char *path = arena_printf (arena, "%s/disk", folder);
    const char *how = arena_printf (arena, "size=%llum,mode=0711",
                                    (unsigned long long) place->record.disk_mb);
    if (mkdir (path, 0700))
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot make '%s'", path);
    if (mount ("berth", path, "tmpfs", MS_NOSUID | MS_NODEV, how) == 0)
        return 0;
    berth_error_set (err->cause, sizeof err->cause, "mount tmpfs: %s", strerror (errno));
    berth_error_set (err->remedy, sizeof err->remedy,
                     "run berthd as root, or leave diskMb out of the config and the policy");
    return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE,
                       "wall 'diskMb': a file system of that size cannot be mounted here");
}

void
places_folder_leave (const char *folder)
{
    char path [4200];
    snprintf (path, sizeof path, "%s/disk", folder);
    //  Not mounted, or not there: what is removed next says what is wrong.
    (void) umount2 (path, MNT_DETACH | UMOUNT_NOFOLLOW);
}

//  Workspace, home and the (empty) record.
static int
s_furnish (const place_t *place, const char *folder, const char *inner, arena_t *arena,
           berth_error_t *err)
{
    return s_folder (arena_printf (arena, "%s/workspace", inner), place, err)
        || s_folder (arena_printf (arena, "%s/home", inner), place, err)
        || places_folder_write (folder, (berth_bytes_t) { (const uint8_t *) "", 0 }, O_CREAT, arena, err)
        ? -1 : 0;
}

//  The umask must not take the way through it from the place's own user.
static int
s_found (const char *folder, berth_error_t *err)
{
    if (mkdir (folder, 0700) || (geteuid () == 0 && chmod (folder, 0711)))
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot make '%s'", folder);
    return 0;
}

int
places_folder_fill (place_t *place, const char *folder, arena_t *arena, berth_error_t *err)
{
    const char *inner = folder;
    if (s_found (folder, err))
        return -1;
    if (berth_has (place_record, &place->record, disk_mb)) {
        if (s_disk (folder, place, arena, err))
            return -1;
        inner = arena_printf (arena, "%s/disk", folder);
    }
    return s_furnish (place, folder, inner, arena, err);
}

//  Record and log stay, empty: both are ours alone, nothing of them was ever seen inside.
static const char *const s_ours [] = { "place.msgpack", "shim.log" };

static bool
s_is_ours (const char *name)
{
    bool ours = false;
    for (size_t index = 0; index < BERTH_COUNT (s_ours); index++)
        ours |= strcmp (name, s_ours [index]) == 0;
    return ours;
}

int
places_folder_strip (const char *folder, berth_error_t *err)
{
    own (arena) arena = arena_new ();
    DIR *entries = opendir (folder);
    if (!entries)
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot list '%s'", folder);
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir (entries));)
        if (strcmp (entry->d_name, ".") && strcmp (entry->d_name, "..") && !s_is_ours (entry->d_name))
            rc = tree_remove (arena_printf (arena, "%s/%s", folder, entry->d_name), err);
    for (size_t index = 0; rc == 0 && index < BERTH_COUNT (s_ours); index++) {
        int fd = openat (dirfd (entries), s_ours [index], O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
        struct stat about;
        if (fd < 0 || fstat (fd, &about) || about.st_size)
            rc = berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot empty '%s/%s'", folder,
                                   s_ours [index]);
        if (fd >= 0)
            close (fd);
    }
    closedir (entries);
    return rc;
}

int
places_folder_refill (const place_t *place, const char *folder, arena_t *arena, berth_error_t *err)
{
    return s_folder (arena_printf (arena, "%s/workspace", folder), place, err)
        || s_folder (arena_printf (arena, "%s/home", folder), place, err) ? -1 : 0;
}

//  The record, and then the name under which the place is there.
int
places_folder_settle (const place_t *place, const char *folder, arena_t *arena, berth_error_t *err)
{
    if (places_folder_write (folder, berth_pack (&place_record_schema, &place->record, arena), 0, arena, err))
        return -1;
    //  Not synced: its lease's row was committed before, and what a power cut takes away runs nowhere.
    if (rename (folder, place->folder))
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot make '%s'", place->folder);
    return 0;
}

//  spool_files.c - owns what is asked of a spool as a whole: its start, its end, its removal.

#include "spool_segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
spool_start (const char *folder, berth_error_t *err)
{
    if (mkdir (folder, 0700) == 0)
        return 0;
    return errno == EEXIST ? berth_fail (err, BERTH_CONFLICT, "the exec was started before")
         : berth_fail_errno (err, errno == ENOSPC ? BERTH_STORE_FULL : BERTH_INTERNAL,
                             "the spool's folder cannot be made");
}

bool
spool_started (const char *folder)
{
    return access (folder, F_OK) == 0;
}

//  Is there a record at this place, and not only bytes of output that look like one?
static bool
s_is_record (int file, off_t at)
{
    uint8_t *window = malloc (SPOOL_WINDOW);
    ENSURE (window);
    spool_walk_t walk;
    spool_record_t record;
    berth_error_t ignored = { 0 };      //  Damage before it: then it is none
    spool_walk_start (&walk, file, sizeof (spool_head_t), window);
    while (walk.position < (uint64_t) at && spool_walk_peek (&walk, &record, &ignored) == 1)
        spool_walk_skip (&walk, &record);
    free (window);
    return walk.position == (uint64_t) at;
}

//  The last record of a segment, if it is the end. A child may write what looks like one.
static bool
s_read_last (int file, spool_last_t *ret_last)
{
    struct stat status;
    spool_record_t record;
    off_t size = (off_t) (sizeof record + sizeof *ret_last);
    if (fstat (file, &status) || status.st_size < (off_t) sizeof (spool_head_t) + size)
        return false;
    off_t at = status.st_size - size;
    return pread (file, &record, sizeof record, at) == (ssize_t) sizeof record
        && record.flags == SPOOL_LAST && record.length == sizeof *ret_last
        && pread (file, ret_last, sizeof *ret_last, at + (off_t) sizeof record)
           == (ssize_t) sizeof *ret_last
        && spool_record_checksum (&record, ret_last) == record.checksum
        && ret_last->size <= SPOOL_END_MAX && s_is_record (file, at);
}

int
spool_read_end (const char *folder, void *data, size_t size, size_t *ret_size, berth_error_t *err)
{
    int base = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (base < 0)
        return errno == ENOENT ? berth_fail (err, BERTH_NOT_FOUND, "there is no such spool")
             : berth_fail_errno (err, BERTH_INTERNAL, "the spool cannot be opened");
    uint32_t first, number;
    spool_head_t head;
    spool_last_t last;
    bool found = false;
    int rc = spool_segment_range (base, &first, &number, err);
    int file = rc == 0 && number ? spool_segment_open (base, number, O_RDONLY, &head, err) : -2;
    if (file >= 0) {
        found = s_read_last (file, &last);
        close (file);
    }
    else if (file == -1)
        rc = -1;
    close (base);
    if (rc)
        return -1;
    if (!found)
        return berth_fail (err, BERTH_NOT_FOUND, "the spool has no end");
    *ret_size = last.size < size ? last.size : size;
    memcpy (data, last.data, *ret_size);
    return 0;
}

int
spool_remove (const char *folder, berth_error_t *err)
{
    int base = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (base < 0)
        return errno == ENOENT ? 0
             : berth_fail_errno (err, BERTH_INTERNAL, "the spool cannot be opened");
    DIR *dir = fdopendir (base);
    if (!dir) {
        close (base);
        return berth_fail_errno (err, BERTH_INTERNAL, "the spool cannot be listed");
    }
    for (struct dirent *entry = readdir (dir); entry; entry = readdir (dir))
        if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
            (void) unlinkat (base, entry->d_name, 0);       //  rmdir tells what stayed
    closedir (dir);
    if (rmdir (folder) && errno != ENOENT)
        return berth_fail_errno (err, BERTH_INTERNAL, "the spool cannot be removed");
    return 0;
}

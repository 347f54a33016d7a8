//  tree_file.c - owns the bytes of one file on their way: read, hashed and written in one pass.

#include "tree_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
s_zeros (const uint8_t *data, size_t size)
{
    return size && data [0] == 0 && memcmp (data, data + 1, size - 1) == 0;
}

int
tree_write_all (int file, const void *from, size_t size, uint64_t offset)
{
    const uint8_t *data = from;
    while (size) {
        ssize_t done = pwrite (file, data, size, (off_t) offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        data += done;
        size -= (size_t) done;
        offset += (uint64_t) done;
    }
    return 0;
}

//  Reads until `size` or the end, which may come early when somebody cuts the file.
ssize_t
tree_read_all (int file, void *to, size_t size, uint64_t offset)
{
    uint8_t *data = to;
    size_t got = 0;
    while (got < size) {
        ssize_t done = pread (file, data + got, size - got, (off_t) (offset + got));
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        if (done == 0)
            break;
        got += (size_t) done;
    }
    return (ssize_t) got;
}

//  Blocks of zeros are left out and their place is marked, so that a hole and the zeros it stands
//  for hash alike and a hole of any size costs nothing.
static void
s_hash (XXH3_state_t *state, const uint8_t *data, size_t size, uint64_t offset, uint64_t *next)
{
    for (size_t at = 0; at < size;) {
        size_t block = size - at < TREE_BLOCK ? size - at : TREE_BLOCK;
        if (!s_zeros (data + at, block)) {
            uint64_t here = offset + at;
            if (here != *next)
                XXH3_128bits_update (state, &here, sizeof here);
            XXH3_128bits_update (state, data + at, block);
            *next = here + block;
        }
        at += block;
    }
}

static tree_pump_t
s_pump_small (tree_job_t *job, int from, size_t size, tree_piece_fn *piece, void *context,
              tree_content_t *content)
{
    ssize_t got = size ? tree_read_all (from, job->buffer, size, 0) : 0;
    if (got < 0)
        return PUMP_READ_FAILED;
    content->size = (uint64_t) got;
    content->hash = XXH3_128bits (job->buffer,
                                  s_zeros (job->buffer, (size_t) got) ? 0 : (size_t) got);
    if (piece && piece (context, job->buffer, (size_t) got, 0))
        return PUMP_WRITE_FAILED;
    job->done.bytes += content->size;
    return PUMP_DONE;
}

tree_pump_t
tree_pump_to (tree_job_t *job, int from, const struct stat *about, tree_piece_fn *piece,
              void *context, tree_content_t *ret_content, berth_error_t *err)
{
    uint64_t size = (uint64_t) about->st_size;
    bool sparse = (uint64_t) about->st_blocks * 512 < size;
    if (size <= TREE_BLOCK && !sparse)
        return s_pump_small (job, from, (size_t) size, piece, context, ret_content);

    XXH3_128bits_reset (job->state);
    uint64_t offset = 0, next = 0;
    while (offset < size) {
        if (sparse) {
            off_t data = lseek (from, (off_t) offset, SEEK_DATA);
            if (data < 0 && errno == ENXIO)
                break;                          //  Only a hole is left
            if (data > 0)
                offset = (uint64_t) data / TREE_BLOCK * TREE_BLOCK;
        }
        size_t want = size - offset < TREE_BUFFER ? (size_t) (size - offset) : TREE_BUFFER;
        if (sparse && want > TREE_BLOCK)
            want = TREE_BLOCK;
        ssize_t got = tree_read_all (from, job->buffer, want, offset);
        if (got < 0)
            return PUMP_READ_FAILED;
        s_hash (job->state, job->buffer, (size_t) got, offset, &next);
        bool skip = sparse && s_zeros (job->buffer, (size_t) got);
        if (piece && !skip && piece (context, job->buffer, (size_t) got, offset))
            return PUMP_WRITE_FAILED;
        offset += (uint64_t) got;
        job->done.bytes += (uint64_t) got;
        if ((size_t) got < want) {
            size = offset;                      //  It was cut meanwhile
            break;
        }
        if (tree_job_tick (job, err))
            return PUMP_STOPPED;
    }
    ret_content->size = size;
    ret_content->hash = XXH3_128bits_digest (job->state);
    return PUMP_DONE;
}

static int
s_put (void *context, const uint8_t *data, size_t size, uint64_t offset)
{
    return tree_write_all (*(int *) context, data, size, offset);
}

tree_pump_t
tree_pump (tree_job_t *job, int from, const struct stat *about, int to,
           tree_content_t *ret_content, berth_error_t *err)
{
    tree_pump_t answer = tree_pump_to (job, from, about, to >= 0 ? s_put : NULL, &to, ret_content,
                                       err);
    bool sparse = (uint64_t) about->st_blocks * 512 < (uint64_t) about->st_size;
    if (answer == PUMP_DONE && to >= 0 && sparse && ftruncate (to, (off_t) ret_content->size))
        return PUMP_WRITE_FAILED;
    return answer;
}

int
tree_finish (int file, int64_t uid, int64_t gid, mode_t mode, const struct timespec *mtime)
{
    if ((uid >= 0 || gid >= 0) && fchown (file, (uid_t) uid, (gid_t) gid))
        return -1;
    if (fchmod (file, mode & 0777))
        return -1;
    struct timespec times [2] = { { .tv_nsec = UTIME_OMIT }, *mtime };
    return futimens (file, times);
}

char *
tree_link_text (int folder, const char *name)
{
    char text [PATH_MAX];
    ssize_t size = readlinkat (folder, name, text, sizeof text - 1);
    if (size < 0)
        return NULL;
    text [size] = 0;
    char *copy = strdup (text);
    ENSURE (copy);
    return copy;
}

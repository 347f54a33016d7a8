//  tree_stream.c - owns the two ends of a stream: bytes with a deadline, and libarchive's words.

#include "tree_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, LOOK_MS = 50 };

void
tree_stream_start (tree_stream_t *self, int fd, bool reads, tree_job_t *job, berth_error_t *err)
{
    *self = (tree_stream_t) { .fd = fd, .reads = reads, .job = job, .err = err };
    self->flags = fcntl (fd, F_GETFL);
    if (self->flags >= 0 && !(self->flags & O_NONBLOCK))
        (void) fcntl (fd, F_SETFL, self->flags | O_NONBLOCK);   //  Else a wait has no deadline
    self->locale = newlocale (LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
    self->before = self->locale ? uselocale (self->locale) : (locale_t) 0;
    if (reads) {
        self->buffer = malloc (READ_SIZE);
        ENSURE (self->buffer);
    }
}

void
tree_stream_end (tree_stream_t *self)
{
    if (self->flags >= 0 && !(self->flags & O_NONBLOCK))
        (void) fcntl (self->fd, F_SETFL, self->flags);
    if (self->locale) {
        uselocale (self->before);
        freelocale (self->locale);
    }
    free (self->buffer);
}

//  Waits until the other end is ready. 0, or -1 when the job is over.
static int
s_wait (tree_stream_t *self, struct archive *archive)
{
    struct pollfd item = { .fd = self->fd, .events = self->reads ? POLLIN : POLLOUT };
    for (;;) {
        if (tree_job_tick (self->job, self->err)) {
            self->stopped = true;
            archive_set_error (archive, ECANCELED, "stopped");
            return -1;
        }
        int ready = poll (&item, 1, LOOK_MS);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR) {
            archive_set_error (archive, errno, "cannot wait for the stream");
            return -1;
        }
    }
}

la_ssize_t
tree_stream_read (struct archive *archive, void *context, const void **ret_data)
{
    tree_stream_t *self = context;
    *ret_data = self->buffer;
    for (;;) {
        ssize_t size = read (self->fd, self->buffer, READ_SIZE);
        if (size >= 0) {
            self->bytes += (uint64_t) size;
            return size;
        }
        if (errno != EAGAIN && errno != EINTR) {
            archive_set_error (archive, errno, "cannot read the stream");
            return -1;
        }
        if (errno == EAGAIN && s_wait (self, archive))
            return -1;
    }
}

la_ssize_t
tree_stream_write (struct archive *archive, void *context, const void *data, size_t size)
{
    tree_stream_t *self = context;
    if (self->over)
        return (la_ssize_t) size;
    for (size_t at = 0; at < size;) {
        ssize_t done = write (self->fd, (const uint8_t *) data + at, size - at);
        if (done >= 0) {
            at += (size_t) done;
            self->bytes += (uint64_t) done;
        }
        else if (errno != EAGAIN && errno != EINTR) {
            archive_set_error (archive, errno, "cannot write the stream");
            return -1;
        }
        else if (errno == EAGAIN && s_wait (self, archive))
            return -1;
    }
    return (la_ssize_t) size;
}

int
tree_stream_fail (const tree_stream_t *self, struct archive *archive, const char *path)
{
    if (self->stopped)
        return -1;
    int error = archive_errno (archive);
    if (error == EPIPE || error == ECONNRESET)
        return berth_fail (self->err, BERTH_PROVIDER_UNAVAILABLE, "the stream ended early at '%s'",
                           path);
    //  libarchive's own are -1, EINVAL and EILSEQ.
    if (error > 0 && error != EINVAL && error != EILSEQ) {
        errno = error;
        return tree_fail (self->err, self->reads ? "cannot read the stream at"
                                                 : "cannot write the stream at", path);
    }
    const char *text = archive_error_string (archive);
    return berth_fail (self->err, BERTH_INVALID, "the stream is no archive that can be read: %s",
                       text ? text : "no reason");
}

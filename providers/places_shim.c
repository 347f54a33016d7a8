//  places_shim.c - owns what a provider says to the shim of a place.

#include "places.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "process.h"
#include "shim_link.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    HELLO_MS = 2000,            //  A shim that does not greet in this time is not one
    GRACE_MS = 2000,            //  From TERM to KILL at the end of a place
    KILL_MS = 2000,             //  Left for ending a shim that does not answer
    RECORD_MAX = 16384
};

static int64_t
s_sooner (int64_t deadline_ms, int64_t ms)
{
    int64_t until_ms = berth_mono_ms () + ms;
    return until_ms < deadline_ms ? until_ms : deadline_ms;
}

bool
places_alive (const place_t *place, int64_t deadline_ms)
{
    own (shim_link) link = NULL;
    own (arena) arena = arena_new ();
    shim_message_t hello;
    int64_t until_ms = s_sooner (deadline_ms, HELLO_MS);
    return shim_link_open (place->socket, until_ms, &link, NULL) == 0
        && shim_link_wait (link, until_ms, arena, &hello, NULL) == 0
        && hello.op == shim_op_HELLO && hello.place && strcmp (hello.place, place->id) == 0;
}

int
places_fence (const place_t *place, int64_t deadline_ms, berth_error_t *err)
{
    own (shim_link) link = NULL;
    own (arena) arena = arena_new ();
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_FENCE);
    berth_put (shim_message, &message, generation, place->record.generation);
    if (shim_link_open (place->socket, deadline_ms, &link, err)
        || shim_link_send (link, &message, err))
        return -1;
    do {
        arena_clear (arena);
        if (shim_link_wait (link, deadline_ms, arena, &message, err))
            return -1;
        if (message.op == shim_op_REFUSED)
            return berth_fail (err, BERTH_FENCED, "the place has a newer holder");
    } while (message.op != shim_op_HELLO || message.generation != place->record.generation);
    return 0;
}

//  ---------------------------------------------------------------------------------------------
//  The end

//  Ends a shim that does not answer; its record says which process it is.
static int
s_kill (const place_t *place, int64_t deadline_ms, berth_error_t *err)
{
    own (arena) arena = arena_new ();
    const char *path = arena_printf (arena, "%s/shim.msgpack", place->folder);
    uint8_t *data = arena_take (arena, RECORD_MAX);
    int file = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size = file < 0 ? -1 : read (file, data, RECORD_MAX);
    if (file >= 0)
        close (file);
    shim_record_t record = { 0 };
    if (size < 0 || berth_unpack (&shim_record_schema, (berth_bytes_t) { data, (size_t) size },
                                  arena, &record, NULL)
        || strcmp (record.boot, berth_boot_id ()))
        return 0;                       //  It left no word of itself: what is left is buried
    int process = (int) syscall (SYS_pidfd_open, record.pid, 0);
    if (process < 0)
        return 0;
    int rc = 0;
    struct pollfd wait = { .fd = process, .events = POLLIN };
    //  The descriptor first, then the look: a pid that came again is not hit.
    if (berth_process_start (record.pid) == record.start) {
        (void) syscall (SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
        int64_t left = deadline_ms - berth_mono_ms ();
        if (poll (&wait, 1, left > 0 ? (int) left : 0) < 1)
            rc = berth_fail (err, BERTH_PROVIDER_TIMEOUT, "the place's shim does not end");
    }
    close (process);
    return rc;
}

int
places_end (places_t *self, const place_t *place, int64_t deadline_ms, berth_error_t *err)
{
    return places_drain (self, place, GRACE_MS, deadline_ms, err);
}

int
places_drain (places_t *self, const place_t *place, int64_t grace_ms, int64_t deadline_ms,
              berth_error_t *err)
{
    (void) self;
    berth_error_t why = { 0 };
    int64_t now = berth_mono_ms ();
    int64_t left = deadline_ms > now ? deadline_ms - now : 0;
    int64_t asked_ms = now + left - (left / 2 < KILL_MS ? left / 2 : KILL_MS);
    if (shim_link_call_close (place->socket, (uint64_t) (left / 4 < grace_ms ? left / 4 : grace_ms),
                              asked_ms, &why) == 0)
        return 0;
    //  It does not answer, or it is on its way out: it goes first, then what it left.
    bool failed = why.code == BERTH_PROVIDER_TIMEOUT && s_kill (place, deadline_ms, &why);
    for (unsigned tries = 0; !failed && tries < 2; tries++) {
        why = (berth_error_t) { 0 };
        if (shim_link_bury (place->folder, deadline_ms, &why) == 0)
            return 0;
        failed = why.code != BERTH_CONFLICT || s_kill (place, deadline_ms, &why);
    }
    if (err)
        *err = why;
    return -1;
}

//  ---------------------------------------------------------------------------------------------
//  A command

int
places_run (places_t *self, const char *id, const char *program, int64_t deadline_ms,
            berth_error_t *err)
{
    own (shim_link) link = NULL;
    own (arena) arena = arena_new ();
    place_t place;
    char exec [BERTH_ID_SIZE];
    berth_id_new (exec);
    if (places_find (self, id, arena, &place, err))
        return -1;
    words_t argv = { .arena = arena };
    words_add (&argv, program);
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_START);
    message.exec = exec;
    message.argv = words_blobs (&argv);
    message.spool = words_bytes (arena_printf (arena, "%s/probe", place.folder));
    int64_t left = deadline_ms - berth_mono_ms ();
    berth_put (shim_message, &message, timeout_ms, (uint64_t) (left > 0 ? left : 1));
    if (shim_link_open (place.socket, deadline_ms, &link, err)
        || shim_link_send (link, &message, err))
        return -1;
    do {
        message = (shim_message_t) { 0 };
        if (shim_link_wait (link, deadline_ms, arena, &message, err))
            return -1;
        if (message.op == shim_op_REFUSED)
            return berth_fail (err, BERTH_PROVIDER_ERROR, "nothing can be run in the place: %s",
                               message.error ? message.error : "refused");
    } while (message.op != shim_op_ENDED);
    if (message.cause == exec_cause_EXITED && message.exit_code == 0)
        return 0;
    return berth_fail (err, BERTH_PROVIDER_ERROR, "'%s' in the place: %s %lld %s", program,
                       berth_enum_text (&exec_cause_enum, (int) message.cause),
                       (long long) message.exit_code, message.error ? message.error : "");
}

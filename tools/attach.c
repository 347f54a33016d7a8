//  attach.c - owns the bytes on their way between an exec and our descriptors.

#include "attach.h"

#include "clock.h"
#include "output.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WINDOW = 4 * BERTH_CHUNK_MAX,       //  Credit of a stream
    INPUT_MAX = 65536,
    SECOND_MS = 2000,                   //  A second Ctrl-C within that time abandons
    LEAVE_MS = 1000,                    //  Ctrl-] three times within that time does
    RETRY_MS = 50,                      //  stdin that was not taken is tried again
    HEARTBEAT_MS = 60000
};

typedef struct {
    const attach_t *ask;
    uint64_t reading, writing;          //  Calls under way
    uint64_t next;                      //  Byte of the stream to come
    bool holding;                       //  chunk is not written out yet
    berth_reply_t chunk;
    size_t written;
    int target;                         //  1 or 2
    int outputs [3];                    //  By descriptor; non-blocking where that can be had
    uint8_t input [INPUT_MAX];
    size_t input_size;
    uint64_t input_at;                  //  Offset of input [0] in the exec's stdin
    bool input_open, input_eof;         //  More may come; its end has to be told
    int64_t retry_at;
    int64_t interrupted_at;             //  The last Ctrl-C; 0: none, or it was answered
    int64_t leave_at;
    unsigned leaves;
    int64_t beat_at;
    bool ended, abandoned;
    int signal;
} carry_t;

//  ---- out

//  A second description of a pipe or terminal can be non-blocking without being so for others.
static int
s_output (int fd)
{
    struct stat what;
    char path [32];
    if (fstat (fd, &what) || !(S_ISFIFO (what.st_mode) || S_ISCHR (what.st_mode)))
        return fd;
    snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open (path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    return again >= 0 ? again : fd;
}

static void
s_abandon (carry_t *self, int number)
{
    self->abandoned = true;
    self->signal = number;
}

static void
s_write_out (carry_t *self)
{
    int fd = self->outputs [self->target];
    size_t left = self->chunk.data.size - self->written;
    //  A descriptor that stayed blocking takes PIPE_BUF without waiting when poll says so.
    if (fd == self->target && left > 4096)
        left = 4096;
    ssize_t size = write (fd, self->chunk.data.data + self->written, left);
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        s_abandon (self, SIGPIPE);      //  Nobody reads any more
    else if (size > 0)
        self->written += (size_t) size;
    self->holding = self->written < self->chunk.data.size;
}

//  Did the command answer a Ctrl-C? Not with the echo of it.
static bool
s_is_echo (berth_bytes_t data)
{
    return (data.size == 2 && memcmp (data.data, "^C", 2) == 0) || data.size == 0;
}

static void
s_chunk (carry_t *self, const berth_reply_t *reply)
{
    berth_error_t err = { 0 };
    own (arena) arena = arena_new ();
    stream_chunk_t chunk;
    if (berth_unpack (&stream_chunk_schema, reply->body, arena, &chunk, &err))
        return;
    if (chunk.offset > self->next) {
        terminal_progress_clear ();
        output_note ("%llu bytes of output were dropped", (unsigned long long) (chunk.offset - self->next));
    }
    if (!s_is_echo (reply->data))
        self->interrupted_at = 0;
    self->next = chunk.offset + reply->data.size;
    self->chunk = *reply;
    self->written = 0;
    self->target = chunk.stream == exec_stream_STDERR ? 2 : 1;
    self->holding = reply->data.size > 0;
}

static int
s_open_stream (carry_t *self, berth_error_t *err)
{
    const attach_t *ask = self->ask;
    own (arena) arena = arena_new ();
    exec_read_t read = { .id = ask->exec, .stream = ask->stream };
    berth_put (exec_read, &read, from, self->next);
    berth_put (exec_read, &read, follow, ask->follow);
    if (ask->limit)
        berth_put (exec_read, &read, limit, ask->limit - (self->next - ask->from));
    berth_ask_t how = { .deadline_ms = -1, .credit = WINDOW };
    self->reading = berth_client_send (ask->bus, "exec.read",
                                       berth_pack (&exec_read_schema, &read, arena), &how, err);
    return self->reading ? 0 : -1;
}

//  ---- in

static void
s_send_input (carry_t *self)
{
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    exec_write_t ask = { .id = self->ask->exec };
    berth_put (exec_write, &ask, offset, self->input_at);
    berth_put (exec_write, &ask, eof, self->input_eof && !self->input_open);
    berth_ask_t how = { .data = { self->input, self->input_size } };
    self->writing = berth_client_send (self->ask->bus, "exec.write",
                                       berth_pack (&exec_write_schema, &ask, arena), &how, &err);
}

static void
s_input_done (carry_t *self)
{
    self->input_open = self->input_eof = false;
    self->input_size = 0;
}

static void
s_written (carry_t *self, const berth_reply_t *reply)
{
    self->writing = 0;
    if (reply->status == reply_status_ERROR) {
        if (reply->error.code == BERTH_UNREACHABLE || reply->error.code == BERTH_BUSY
            || reply->error.code == BERTH_DEADLINE_EXCEEDED)
            self->retry_at = berth_mono_ms () + RETRY_MS;
        else
            s_input_done (self);        //  It has ended, or closed its stdin
        return;
    }
    uint64_t accepted = any_number (reply->body, "offset", 0);
    size_t taken = accepted > self->input_at ? (size_t) (accepted - self->input_at) : 0;
    taken = taken < self->input_size ? taken : self->input_size;
    memmove (self->input, self->input + taken, self->input_size - taken);
    self->input_size -= taken;
    self->input_at += taken;
    if (self->input_size)
        self->retry_at = berth_mono_ms () + RETRY_MS;
    else if (any_truth (reply->body, "eof", false))
        s_input_done (self);
    else if (self->input_eof && !self->input_open)
        self->retry_at = berth_mono_ms () + RETRY_MS;
}

//  In a terminal session Ctrl-C goes the way of all keys; one that nothing answers counts.
static void
s_keys (carry_t *self, const uint8_t *keys, size_t size)
{
    int64_t now = berth_mono_ms ();
    for (size_t index = 0; index < size; index++) {
        if (keys [index] == 0x1d) {
            self->leaves = self->leaves && now - self->leave_at < LEAVE_MS ? self->leaves + 1 : 1;
            self->leave_at = self->leaves == 1 ? now : self->leave_at;
            if (self->leaves == 3)
                s_abandon (self, SIGINT);
        }
        if (keys [index] != 0x03)
            continue;
        if (self->interrupted_at && now - self->interrupted_at < SECOND_MS)
            s_abandon (self, SIGINT);
        self->interrupted_at = now;
    }
}

static void
s_read_input (carry_t *self)
{
    ssize_t size = read (STDIN_FILENO, self->input, sizeof self->input);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        self->input_open = false;
        self->input_eof = true;
    }
    else {
        self->input_size = (size_t) size;
        if (self->ask->tty)
            s_keys (self, self->input, self->input_size);
    }
}

//  ---- signals

static void
s_tell (carry_t *self, request_code_t code, const void *request)
{
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    (void) berth_client_send (self->ask->bus, request_row (code)->type,
                              berth_pack (request_row (code)->request, request, arena), NULL, &err);
}                                       //  If it can't go, the next one will

static void
s_resize (carry_t *self)
{
    exec_resize_t size = { .id = self->ask->exec };
    if (!self->ask->tty || !terminal_size (&size.cols, &size.rows))
        return;
    berth_put (exec_resize, &size, cols, size.cols);
    berth_put (exec_resize, &size, rows, size.rows);
    s_tell (self, REQUEST_EXEC_RESIZE, &size);
}

static void
s_signal (carry_t *self, int number)
{
    int64_t now = berth_mono_ms ();
    if (number == SIGWINCH) {
        s_resize (self);
        return;
    }
    if (number == SIGHUP || (self->interrupted_at && now - self->interrupted_at < SECOND_MS)) {
        s_abandon (self, number);
        return;
    }
    self->interrupted_at = now;
    exec_signal_t ask = { .id = self->ask->exec };
    berth_put (exec_signal, &ask, signal, (uint64_t) number);
    s_tell (self, REQUEST_EXEC_SIGNAL, &ask);
}

//  ---- the loop

static void
s_beat (carry_t *self)
{
    int64_t now = berth_mono_ms ();
    if (!self->ask->run || now - self->beat_at < HEARTBEAT_MS)
        return;
    self->beat_at = now;
    run_ref_t ref = { .company = self->ask->company, .run = self->ask->run };
    s_tell (self, REQUEST_RUN_HEARTBEAT, &ref);
}

static int
s_reply (carry_t *self, const berth_reply_t *reply, berth_error_t *err)
{
    if (reply->call == self->writing)
        s_written (self, reply);
    if (reply->call != self->reading)
        return 0;
    if (reply->status == reply_status_STREAM)
        s_chunk (self, reply);
    else if (reply->status == reply_status_OK)
        self->ended = true;
    else {
        *err = reply->error;
        return -1;
    }
    return 0;
}

static void
s_wait (carry_t *self)
{
    bool input = self->input_open && !self->writing && !self->input_size;
    struct pollfd fds [3] = {
        { .fd = self->ask->signals, .events = POLLIN },
        { .fd = input ? STDIN_FILENO : -1, .events = POLLIN },
        { .fd = self->holding ? self->outputs [self->target] : -1, .events = POLLOUT }
    };
    int64_t now = berth_mono_ms (), until = now + 1000;
    if (self->input_size && !self->writing && self->retry_at < until)
        until = self->retry_at;
    if (self->holding) {                //  Replies wait: only the reader of our output matters now
        if (poll (fds, 3, (int) (until > now ? until - now : 0)) < 0)
            return;
        (void) berth_client_connected (self->ask->bus);
    }
    else
        berth_client_wait (self->ask->bus, fds, 3, until);
    for (int number; fds [0].revents && (number = terminal_signal (self->ask->signals)) > 0;)
        s_signal (self, number);
    if (fds [1].revents)
        s_read_input (self);
    if (fds [2].revents)
        s_write_out (self);
}

static int
s_carry (carry_t *self, berth_error_t *err)
{
    if (s_open_stream (self, err))
        return -1;
    while (!self->abandoned && !(self->ended && !self->holding)) {
        berth_reply_t reply;
        while (!self->holding && !self->ended
               && berth_client_next (self->ask->bus, 0, 0, &reply)) {
            if (s_reply (self, &reply, err))
                return -1;
            if (self->holding)
                s_write_out (self);
        }
        if (self->abandoned || (self->ended && !self->holding))
            break;
        if ((self->input_size || (self->input_eof && !self->input_open)) && !self->writing
            && berth_mono_ms () >= self->retry_at)
            s_send_input (self);
        s_beat (self);
        s_wait (self);
    }
    return self->abandoned ? ATTACH_ABANDONED : ATTACH_ENDED;
}

int
attach_stream (const attach_t *ask, int *ret_signal, berth_error_t *err)
{
    carry_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->ask = ask;
    self->next = ask->from;
    self->input_at = ask->input_from;
    self->input_open = ask->input;
    self->beat_at = berth_mono_ms ();
    self->outputs [1] = s_output (1);
    self->outputs [2] = s_output (2);
    if (ask->tty)
        terminal_raw ();
    int rc = s_carry (self, err);
    terminal_restore ();
    if (rc && ask->tty)
        fputc ('\n', stderr);           //  The cursor stands somewhere in the command's line
    if (self->reading && !self->ended)
        berth_client_cancel (ask->bus, self->reading);
    for (int fd = 1; fd < 3; fd++)
        if (self->outputs [fd] != fd)
            close (self->outputs [fd]);
    if (ret_signal)
        *ret_signal = self->signal;
    free (self);
    return rc;
}

//  ---- calls that can be interrupted

static int
s_interrupted (int signals)
{
    for (int number; (number = terminal_signal (signals)) > 0;)
        if (number != SIGWINCH)
            return number;
    return 0;
}

int
attach_call (berth_client_t *bus, request_code_t code, const void *request, const berth_ask_t *ask,
             int signals, arena_t *arena, void *ret_reply, int *ret_signal, berth_error_t *err)
{
    return attach_call_told (bus, code, request, ask, signals, arena, ret_reply, ret_signal, NULL,
                             NULL, err);
}

int
attach_call_told (berth_client_t *bus, request_code_t code, const void *request,
                  const berth_ask_t *ask, int signals, arena_t *arena, void *ret_reply,
                  int *ret_signal, attach_waiting_fn *waiting, void *context, berth_error_t *err)
{
    const request_row_t *row = request_row (code);
    uint64_t call = berth_client_send (bus, row->type, berth_pack (row->request, request, arena), ask, err);
    if (!call)
        return -1;
    struct pollfd fd = { .fd = signals, .events = POLLIN };
    berth_reply_t reply;
    for (;;) {
        while (!berth_client_next (bus, call, 0, &reply)) {
            berth_client_wait (bus, &fd, 1, berth_mono_ms () + 60000);
            int number = fd.revents ? s_interrupted (signals) : 0;
            if (number) {
                terminal_progress_clear ();
                berth_client_cancel (bus, call);
                if (ret_signal)
                    *ret_signal = number;
                return 1;
            }
        }
        workspace_progress_t progress;
        storage_progress_t stored;
        lease_waiting_t lease;
        if (reply.status != reply_status_STREAM)
            break;
        if (berth_unpack (&workspace_progress_schema, reply.body, arena, &progress, NULL) == 0)
            terminal_progress (&progress);
        else if (berth_unpack (&storage_progress_schema, reply.body, arena, &stored, NULL) == 0)
            terminal_progress_of (stored.phase, stored.done, stored.total);
        else if (waiting && berth_unpack (&lease_waiting_schema, reply.body, arena, &lease, NULL) == 0)
            waiting (context, &lease);
    }
    terminal_progress_clear ();
    if (reply.status == reply_status_ERROR) {
        *err = reply.error;
        return -1;
    }
    if (!ret_reply)
        return 0;
    berth_bytes_t body = { arena_copy (arena, reply.body.data, reply.body.size), reply.body.size };
    return berth_unpack (row->reply, body, arena, ret_reply, err);
}

int
attach_wait (berth_client_t *bus, const char *exec, int signals, arena_t *arena, exec_t *ret_exec,
             berth_error_t *err)
{
    exec_ref_t ref = { .id = exec };
    berth_ask_t ask = { .deadline_ms = 60000 };
    int rc;
    do
        rc = attach_call (bus, REQUEST_EXEC_WAIT, &ref, &ask, signals, arena, ret_exec, NULL, err);
    while (rc < 0 && err->code == BERTH_DEADLINE_EXCEEDED);
    return rc;
}

int
attach_status (const char *command, const exec_t *exec)
{
    const char *reason = exec->reason ? exec->reason : "no reason is known";
    switch (exec->cause) {
        case exec_cause_EXITED:
            return (int) exec->exit_code & 0xff;
        case exec_cause_SIGNALED:
            return 128 + (int) exec->signal;
        case exec_cause_TIMED_OUT:
            output_note ("%s: its time was over after %.1f s", command, (double) exec->timeout_ms / 1000);
            return 124;
        case exec_cause_KILLED_BY_POLICY:
            output_note ("%s: killed: %s", command, reason);
            return 137;
        case exec_cause_START_FAILED:
            output_note ("%s: not started: %s", command, reason);
            return 127;
        case exec_cause_LEASE_LOST: case exec_cause_PROVIDER_LOST:
            output_note ("%s: lost (%s): %s", command, berth_enum_text (&exec_cause_enum, (int) exec->cause),
                         reason);
            return berth_code_exit (BERTH_PROVIDER_ERROR);
        case exec_cause_NONE: case exec_cause_COUNT:
        default:
            output_note ("%s: it has not ended", command);
            return berth_code_exit (BERTH_INTERNAL);
    }
}

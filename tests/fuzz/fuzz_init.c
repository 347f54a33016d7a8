//  fuzz_init.c - the first process of a place, and whatever it is told by its socket.
//
//  burst: 20000
//  length: 1024
//
//  The input is a script: packets that fit and packets that do not, with descriptors or without, blobs of
//  a START that are whole, cut or lie about themselves, children that execute, fail, end, are somebody
//  else's. The program is the one in tools/, with its system calls played. Whatever comes: a START is
//  answered once, by STARTED or FAILED, and EXITED follows STARTED only; what is executed is what the blob
//  says, byte by byte; a signal goes to a child of its own and to nobody else; and at the end each
//  descriptor it was handed is closed.

#include "played_init.h"

//  ---- what it tells

static void
s_told (const void *data, int fd)
{
    scene_t *self = &s_scene;
    init_report_t report;
    memcpy (&report, data, sizeof report);
    if (fd >= 0)
        (void) s_fd (fd);
    if (report.op == INIT_HELLO)
        return;
    unsigned *state = report.slot < INIT_SLOTS ? &self->state [report.slot] : NULL;
    switch (report.op) {
        case INIT_STARTED:
            FUZZ_MUST (state && *state == 1, "slot %u is started in state %u", report.slot, state ? *state : 9);
            *state = 2;
            self->owner [report.slot] = (pid_t) report.value;
            break;
        case INIT_FAILED:
            FUZZ_MUST (report.value > 0 && report.stage >= INIT_AT_FORK && report.stage <= INIT_AT_EXEC,
                       "slot %u fails with %d at %u", report.slot, report.value, report.stage);
            if (state && *state == 1 && !self->taken)
                *state = 0;
            self->taken = false;
            break;
        case INIT_EXITED:
            FUZZ_MUST (state && *state == 2, "slot %u exits in state %u", report.slot, state ? *state : 9);
            *state = 3;
            break;
        default:
            fuzz_broken (__FILE__, __LINE__, "op", "report %u", report.op);
    }
}

//  ---- the script

static int
s_blob (scene_t *self)
{
    fuzz_input_t *input = &self->input;
    unsigned flags = (unsigned) fuzz_number (input, 1);
    int fd = s_new (flags % 16 == 15 ? OTHER : BLOB);
    if (fd < 0 || s_fd (fd)->kind != BLOB)
        return fd;
    played_fd_t *at = s_fd (fd);
    init_blob_t head = { .argc = (uint32_t) fuzz_number (input, 1) % 12, .envc = (uint32_t) fuzz_number (input, 1) % 12 };
    berth_bytes_t text = fuzz_bytes (input, fuzz_number (input, 1));
    head.size = (uint32_t) text.size;
    if (flags & 16)
        head.argc = (uint32_t) fuzz_number (input, 4);
    if (flags & 32)
        head.size = (uint32_t) fuzz_number (input, 4);
    at->size = sizeof head + text.size;
    if (flags & 64)
        at->size = fuzz_number (input, 1) % (at->size + 1);
    at->data = malloc (at->size ? at->size : 1);
    uint8_t whole [sizeof head + 256];
    memcpy (whole, &head, sizeof head);
    if (text.size)
        memcpy (whole + sizeof head, text.data, text.size);
    memcpy (at->data, whole, at->size);
    //  What it should come to
    self->sound = at->size == sizeof head + text.size && head.size == text.size && head.argc > 0;
    self->argc = head.argc;
    self->envc = head.envc;
    self->expected_size = text.size;
    if (text.size)
        memcpy (self->expected, text.data, text.size);
    size_t zeros = 0;
    for (size_t index = 0; index < text.size; index++)
        zeros += text.data [index] == 0;
    self->sound = self->sound && zeros >= 1 + (uint64_t) head.argc + head.envc;
    return fd;
}

static ssize_t
played_recvmsg (int socket, struct msghdr *message, int flags)
{
    scene_t *self = &s_scene;
    fuzz_input_t *input = &self->input;
    (void) socket, (void) flags;
    if (!self->packet) {
        errno = EAGAIN;
        return -1;
    }
    self->packet = false;
    unsigned kind = (unsigned) fuzz_number (input, 1);
    init_request_t ask = {
        .op = kind % 5, .slot = (uint32_t) fuzz_number (input, kind & 128 ? 4 : 1),
        .number = (uint32_t) fuzz_number (input, kind & 64 ? 4 : 1), .flags = kind & 32 ? INIT_TTY : 0,
    };
    size_t count = kind & 16 ? fuzz_number (input, 1) % 5 : ask.op != INIT_START ? 0 : ask.flags ? 1 : 4;
    int fds [4];
    for (size_t index = 0; index < count; index++) {
        fds [index] = index == 0 ? s_blob (self) : s_new (OTHER);
        if (fds [index] < 0)
            count = index;
    }
    size_t size = kind & 8 ? 1 + fuzz_number (input, 1) % sizeof ask : sizeof ask;
    memcpy (message->msg_iov->iov_base, &ask, size);
    message->msg_controllen = count ? CMSG_SPACE (count * sizeof (int)) : 0;
    if (count) {
        struct cmsghdr *header = CMSG_FIRSTHDR (message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN (count * sizeof (int));
        memcpy (CMSG_DATA (header), fds, count * sizeof (int));
    }
    if (size == sizeof ask && ask.slot < INIT_SLOTS) {
        unsigned *state = &self->state [ask.slot];
        self->taken = ask.op == INIT_START && *state;
        if (ask.op == INIT_START && !*state)
            *state = 1;
        else if (ask.op == INIT_FORGET && *state == 3)
            *state = 0;
    }
    return (ssize_t) size;
}

//  A child that has executed ends.
static void
s_end_child (scene_t *self)
{
    unsigned number = (unsigned) fuzz_number (&self->input, 1);
    if (!self->count)
        return;
    played_child_t *child = &self->children [number % self->count];
    if (!child->pid || child->ended)
        return;
    child->ended = child->closed = true;
    child->status = number & 64 ? 9 : 3 << 8;
    self->reaps = true;
}

static int
played_epoll_wait (int set, struct epoll_event *event, int most, int timeout)
{
    scene_t *self = &s_scene;
    (void) set, (void) most, (void) timeout;
    while (self->tracked_count)
        free (self->tracked [--self->tracked_count]);
    bool over = !fuzz_more (&self->input) || self->steps++ >= STEPS_MAX;
    unsigned op = over ? 0 : (unsigned) fuzz_number (&self->input, 1);
    if (!over && op % 4 == 3)
        s_end_child (self);
    if (!over && op % 4 < 2) {
        self->packet = true;
        event->data.u32 = WATCH_SOCKET;
        return 1;
    }
    for (int index = 0; index < FDS; index++) {
        const played_fd_t *fd = &self->fds [index];
        if (fd->kind != PIPE_READ || !self->watched [index] || fd->pipe < 0)
            continue;
        const played_child_t *child = &self->children [fd->pipe];
        if ((child->said || child->closed) && (over || (op >> 2) % 3 != 0)) {
            event->data.u32 = (uint32_t) self->watched [index] - 1;
            return 1;
        }
    }
    if (self->reaps) {
        self->reaps = false;
        event->data.u32 = WATCH_SIGNALS;
        return 1;
    }
    if (over)
        return errno = EBADF, -1;       //  The loop ends
    errno = EINTR;
    return -1;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    scene_t *self = &s_scene;
    memset (self, 0, sizeof *self);
    self->input = (fuzz_input_t) { data, data + size };
    for (unsigned slot = 0; slot < INIT_SLOTS; slot++)
        s_slots [slot].pid = 0;
    char *argv [] = { "berth-init", "3", NULL };
    FUZZ_MUST (init_main (2, argv) == 0, "init does not begin");
    for (unsigned slot = 0; slot < INIT_SLOTS; slot++)
        FUZZ_MUST (self->state [slot] != 1, "slot %u was not answered", slot);
    for (int index = 0; index < FDS; index++)
        FUZZ_MUST (self->fds [index].kind == FREE, "descriptor %d stayed open", FD_BASE + index);
    return 0;
}

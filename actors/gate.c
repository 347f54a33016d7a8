//  gate.c - owns the socket at which ZeroMQ asks who may connect.

#include "gate.h"

#include "log.h"
#include "wiring.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GATE_MAGIC 0x6a7e0001u
#define ENDPOINT "inproc://zeromq.zap.01"

enum { FRAMES_MAX = 8, FRAME_MAX = 256, LOG_EVERY_MS = 1000 };

struct gate {
    uint32_t magic;
    trust_t *trust;
    zsock_t *socket;                //  REP
    atomic_uint_fast64_t refused;
    int64_t logged_ms;
};

gate_t *
gate_new (trust_t *trust, berth_error_t *err)
{
    own (gate) self = calloc (1, sizeof (gate_t));
    ENSURE (self);
    self->magic = GATE_MAGIC;
    self->trust = trust;
    self->socket = zsock_new (ZMQ_REP);
    ENSURE (self->socket);
    zsock_set_linger (self->socket, 0);
    if (zsock_bind (self->socket, ENDPOINT)) {
        (void) berth_fail (err, BERTH_INTERNAL, "cannot answer who may connect: somebody else does "
                           "in this process");
        return NULL;
    }
    return take (self);
}

void
gate_destroy (gate_t **self_p)
{
    gate_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, GATE_MAGIC);
    zsock_destroy (&self->socket);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

uint64_t
gate_refused (const gate_t *self)
{
    return self->refused;
}

//  ---- one question: version, request id, domain, address, identity, mechanism, client key

typedef struct {
    uint8_t frames [FRAMES_MAX] [FRAME_MAX];
    int sizes [FRAMES_MAX];
    int count;
} question_t;

//  0, or -1 if there is none.
static int
s_receive (gate_t *self, question_t *ret_question)
{
    void *socket = zsock_resolve (self->socket);
    ret_question->count = 0;
    int more = 1;
    size_t more_size = sizeof more;
    while (more) {
        uint8_t spare [FRAME_MAX];
        bool fits = ret_question->count < FRAMES_MAX;
        int size = zmq_recv (socket, fits ? ret_question->frames [ret_question->count] : spare,
                             FRAME_MAX, ZMQ_DONTWAIT);
        if (size < 0)
            return -1;
        if (fits)
            ret_question->sizes [ret_question->count++] = size;
        if (zmq_getsockopt (socket, ZMQ_RCVMORE, &more, &more_size))
            return -1;
    }
    return 0;
}

static bool
s_is (const question_t *question, int frame, const char *text)
{
    return frame < question->count && question->sizes [frame] == (int) strlen (text)
        && memcmp (question->frames [frame], text, strlen (text)) == 0;
}

static bool
s_admits (gate_t *self, const question_t *question, char ret_name [TRUST_NAME_SIZE])
{
    char key [41];
    return question->count == 7 && s_is (question, 0, "1.0") && s_is (question, 2, GATE_DOMAIN)
        && s_is (question, 5, "CURVE") && question->sizes [6] == 32
        && zmq_z85_encode (key, question->frames [6], 32)
        && trust_admits (self->trust, key, ret_name);
}

static void
s_send (gate_t *self, const void *data, size_t size, int flags)
{
    (void) zmq_send (zsock_resolve (self->socket), data, size, flags | ZMQ_DONTWAIT);
}

static void
s_answer (gate_t *self, const question_t *question)
{
    char name [TRUST_NAME_SIZE] = "";
    bool good = s_admits (self, question, name);
    int64_t now_ms = zclock_mono ();
    if (!good && ++self->refused && now_ms - self->logged_ms >= LOG_EVERY_MS) {
        self->logged_ms = now_ms;
        int size = question->count > 3 ? question->sizes [3] : 0;
        log_event ("key_refused", "address=%.*s refused=%llu", size > 64 ? 64 : size,
                   (const char *) question->frames [3], (unsigned long long) self->refused);
    }
    s_send (self, "1.0", 3, ZMQ_SNDMORE);
    s_send (self, question->frames [1], question->count > 1 ? (size_t) question->sizes [1] : 0,
            ZMQ_SNDMORE);
    s_send (self, good ? "200" : "400", 3, ZMQ_SNDMORE);
    s_send (self, good ? "OK" : "unknown key", good ? 2 : 11, ZMQ_SNDMORE);
    s_send (self, name, strlen (name), ZMQ_SNDMORE);
    s_send (self, "", 0, 0);
}

void
gate_actor (zsock_t *pipe, void *args)
{
    gate_t *self = args;
    CHECK (self, GATE_MAGIC);
    zsock_signal (pipe, 0);
    struct pollfd fds [] = {
        { zsock_fd (pipe), POLLIN, 0 },
        { zsock_fd (self->socket), POLLIN, 0 },
    };
    bool running = pipe_runs (pipe);
    while (running) {
        //  A descriptor tells of an arrival once: both are emptied before the next wait
        for (question_t question; s_receive (self, &question) == 0;)
            s_answer (self, &question);
        running = pipe_runs (pipe);
        if (running && poll (fds, BERTH_COUNT (fds), -1) < 0 && errno != EINTR)
            break;
    }
    zsock_destroy (&self->socket);
}

//  ---- the service's own key

static zcert_t *
s_make (const char *path, berth_error_t *err)
{
    zcert_t *certificate = zcert_new ();
    char *fresh = zsys_sprintf ("%s.new", path);
    zcert_set_meta (certificate, "name", "berthd");
    mode_t before = umask (0077);
    int rc = zcert_save_secret (certificate, fresh);
    if (rc == 0)
        rc = chmod (fresh, 0600) || rename (fresh, path);
    umask (before);
    if (rc) {
        (void) berth_fail_errno (err, BERTH_INTERNAL, "cannot write %s", path);
        zcert_destroy (&certificate);
    }
    zstr_free (&fresh);
    return certificate;
}

zcert_t *
gate_certificate (const char *path, berth_error_t *err)
{
    struct stat status;
    if (stat (path, &status)) {
        if (errno == ENOENT)
            return s_make (path, err);
        (void) berth_fail_errno (err, BERTH_FORBIDDEN, "cannot read %s", path);
        return NULL;
    }
    if (status.st_mode & 077) {
        berth_error_set (err->remedy, sizeof err->remedy, "chmod 600 %s", path);
        (void) berth_fail (err, BERTH_FORBIDDEN, "%s is the service's secret key, and others can "
                           "read it", path);
        return NULL;
    }
    zcert_t *certificate = zcert_load (path);
    static const uint8_t none [32];
    if (!certificate || memcmp (zcert_secret_key (certificate), none, sizeof none) == 0) {
        zcert_destroy (&certificate);
        (void) berth_fail (err, BERTH_INVALID, "%s is no secret certificate (zcert)", path);
    }
    return certificate;
}

void
gate_guard (zsock_t *socket, const zcert_t *certificate)
{
    void *handle = zsock_resolve (socket);
    int one = 1;
    //  Where nobody answered, libzmq 4.3.4 would let all in, without a User-Id: what has none is
    //  refused by doors and outlets
    ENSURE (zmq_setsockopt (handle, ZMQ_ZAP_DOMAIN, GATE_DOMAIN, strlen (GATE_DOMAIN)) == 0
            && zmq_setsockopt (handle, ZMQ_CURVE_SERVER, &one, sizeof one) == 0
            && zmq_setsockopt (handle, ZMQ_CURVE_SECRETKEY,
                               zcert_secret_key ((zcert_t *) certificate), 32) == 0);
}

//  proxy.c - owns one open provider, its threads and the lines in front of them.

#include "proxy.h"

#include "clock.h"
#include "codec.h"
#include "effects.h"
#include "log.h"
#include "plant.h"
#include "proxy_close.h"
#include "proxy_lines.h"
#include "proxy_list.h"
#include "proxy_secrets.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PROXY_MAGIC 0x92047001u
#define STACK_BYTES (512 * 1024)

//  Held through a call only where a test wants providers to delay each other.
static pthread_mutex_t s_planted = PTHREAD_MUTEX_INITIALIZER;

struct proxy {
    uint32_t magic;
    const context_t *context;
    const provider_t *provider;
    provider_host_t host;           //  The context's, with the name of this provider
    void *self_of_provider;         //  NULL: it could not be opened (yet),
    berth_error_t broken;           //  for this reason; both under the lock once threads run
    zsock_t *inbox;
    post_t *post;                   //  Of the actor's own thread
    pthread_mutex_t lock;           //  Guards what follows
    pthread_cond_t work;
    proxy_lines_t *lines;
    call_t *under_way;              //  Those of the threads
    size_t idle, running, threads;
    size_t hanging;                 //  Of those running: answered by us, since they were not
    int64_t hanging_since;          //  Wall clock; 0: none does
    bool opening;                   //  A thread tries to open the provider
    int64_t unready_ms;             //  When it was last waited for in vain, monotonic; 0: never
    uint64_t failures;
    char last_error [320];
    int64_t last_error_at;
    bool stopping;
};

//  ---- one call

typedef struct {
    proxy_t *proxy;
    post_t *post;                   //  Of this thread
    const letter_t *letter;
    arena_t *arena;
    int64_t told_ms;                //  When progress was told last
} turn_t;

static void
s_answer (turn_t *turn, berth_bytes_t result, const berth_error_t *why)
{
    step_done_t done = { .subject = turn->letter->subject, .step = turn->letter->step, .ok = !why,
                         .result = result };
    if (why)
        done.error = effects_pack_error (why, turn->arena);
    letter_t letter = *turn->letter;
    letter.type = REQUEST_STEP_DONE;
    letter.answer_to = ACTOR_FRONT;
    letter.deadline_ms = 0;
    if (post_letter (turn->post, turn->letter->answer_to, NULL, INBOX_INTERNAL, &letter,
                     berth_pack (&step_done_schema, &done, turn->arena),
                     (berth_bytes_t) { NULL, 0 }, NULL))
        log_event ("answer_not_sent", "provider=%s subject=%s", turn->proxy->provider->name,
                   turn->letter->subject);
}

static int
s_progress (void *context, const workspace_progress_t *progress)
{
    turn_t *turn = context;
    int64_t now_ms = berth_mono_ms ();
    if (now_ms - turn->told_ms >= PROXY_PROGRESS_MS) {
        turn->told_ms = now_ms;
        step_progress_t step = { .subject = turn->letter->subject, .progress = progress };
        letter_t letter = *turn->letter;
        letter.type = REQUEST_STEP_PROGRESS;
        letter.answer_to = ACTOR_FRONT;
        letter.deadline_ms = 0;
        own (arena) arena = arena_new ();
        //  Progress may get lost; the answer does not.
        (void) post_letter (turn->post, turn->letter->answer_to, NULL, INBOX_INTERNAL, &letter,
                            berth_pack (&step_progress_schema, &step, arena),
                            (berth_bytes_t) { NULL, 0 }, NULL);
    }
    pthread_mutex_lock (&turn->proxy->lock);
    bool stopping = turn->proxy->stopping;
    pthread_mutex_unlock (&turn->proxy->lock);
    return stopping;
}

static int
s_missing (const provider_t *provider, const char *verb, berth_error_t *err)
{
    return berth_fail (err, BERTH_UNSUPPORTED, "provider %s has no verb '%s'", provider->name, verb);
}

//  Calls the verb of a request whose body is unpacked in `ask`; the result is of the request's
//  reply schema.
static int
s_verb (turn_t *turn, request_code_t type, int64_t deadline_ms, const void *ask, void *result,
        berth_error_t *err)
{
    proxy_t *self = turn->proxy;
    const provider_t *provider = self->provider;
    void *me = self->self_of_provider;
    switch ((int) type) {
        case REQUEST_PLACE_OPEN:
            return provider->acquire
                ? provider->acquire (me, ask, deadline_ms, turn->arena, result, err)
                : s_missing (provider, "acquire", err);
        case REQUEST_PLACE_RESUME:
            return provider->resume
                ? provider->resume (me, ask, ((const place_open_t *) ask)->provider_lease,
                                    deadline_ms, turn->arena, result, err)
                : s_missing (provider, "resume", err);
        case REQUEST_PLACE_CLOSE:
            return proxy_close (provider, me, ask, deadline_ms, err);
        case REQUEST_PLACE_REALIZE:
            return provider->realize
                ? provider->realize (me, ask, s_progress, turn, deadline_ms, turn->arena, result, err)
                : s_missing (provider, "realize", err);
        case REQUEST_PLACE_RETURN:
            return provider->give_back
                ? provider->give_back (me, ask, s_progress, turn, deadline_ms, turn->arena, result,
                                       err)
                : s_missing (provider, "return", err);
        case REQUEST_PLACE_LIST:
            return proxy_list (provider, me, self->context->host.install_id,
                               self->context->former_install, ask, deadline_ms, turn->arena, result,
                               err);
        case REQUEST_PLACE_PROBE:
            return provider->probe
                ? provider->probe (me, ask, deadline_ms, turn->arena, result, err)
                : s_missing (provider, "probe", err);
        default:
            return berth_fail (err, BERTH_INTERNAL, "a proxy was asked for something else");
    }
}

//  Once more; with the lock held, which is not held meanwhile.
static void
s_try_open (proxy_t *self)
{
    berth_error_t why = { 0 };
    void *opened = NULL;
    self->opening = true;
    pthread_mutex_unlock (&self->lock);
    int rc = self->provider->open (&opened, &self->host, &why);
    pthread_mutex_lock (&self->lock);
    self->opening = false;
    self->broken = why;
    if (rc) {
        self->broken.code = BERTH_PROVIDER_UNAVAILABLE;
        return;
    }
    self->self_of_provider = opened;
    self->broken.code = BERTH_OK;
    log_event ("provider_ready", "provider=%s", self->provider->name);
}

//  A provider that was not ready when the service started may be by now, or in a moment: it is waited
//  for, but not by each call for the whole time, and then it is said what is missing.
static int
s_ready (proxy_t *self, int64_t deadline_ms, berth_error_t *err)
{
    pthread_mutex_lock (&self->lock);
    int64_t now_ms = berth_mono_ms (), until_ms = now_ms + PROXY_READY_MS;
    bool waited = self->unready_ms && now_ms - self->unready_ms < PROXY_READY_MS;
    if (until_ms > deadline_ms - PROXY_READY_STEP_MS)
        until_ms = deadline_ms - PROXY_READY_STEP_MS;
    while (self->broken.code) {
        if (!self->opening)
            s_try_open (self);
        if (!self->broken.code || waited || self->stopping || berth_mono_ms () >= until_ms)
            break;
        pthread_mutex_unlock (&self->lock);
        (void) poll (NULL, 0, PROXY_READY_STEP_MS);
        pthread_mutex_lock (&self->lock);
    }
    bool ready = !self->broken.code;
    if (!ready) {
        *err = self->broken;
        self->unready_ms = berth_mono_ms ();
        (void) berth_fail (err, BERTH_PROVIDER_UNAVAILABLE, "provider %s is not ready: %.160s",
                           self->provider->name, self->broken.text);
    }
    pthread_mutex_unlock (&self->lock);
    return ready ? 0 : -1;
}

static int
s_too_busy (const proxy_t *self, berth_error_t *err)
{
    return berth_fail (err, BERTH_PROVIDER_TIMEOUT,
                       "provider %s was too busy to begin before the deadline", self->provider->name);
}

static int
s_run (turn_t *turn, const call_t *call, berth_bytes_t *ret_result, berth_error_t *err)
{
    proxy_t *self = turn->proxy;
    const request_row_t *row = request_row (call->letter.type);
    if (s_ready (self, call->until_ms, err))
        return -1;
    if (call->until_ms <= berth_mono_ms ())
        return s_too_busy (self, err);
    void *ask = arena_take (turn->arena, row->request->size);
    void *result = arena_take (turn->arena, row->reply->size + sizeof (berth_message_t));
    if (berth_unpack_own (row->request, (berth_bytes_t) { call->body, call->size }, turn->arena, ask,
                          err)
        || proxy_secrets (self->context, turn->post, turn->letter, self->provider, ask, turn->arena, err)
        || s_verb (turn, call->letter.type, call->until_ms, ask, result, err))
        return -1;
    *ret_result = berth_pack (row->reply, result, turn->arena);
    //  What is none of its schema would be refused by whoever asked, and nobody would be answered
    berth_error_t why = { 0 };
    if (berth_unpack_own (row->reply, *ret_result, turn->arena, result, &why) == 0)
        return 0;
    berth_error_set (err->cause, sizeof err->cause, "%s", why.text);
    return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE, "provider %s answered %s with garbage",
                       self->provider->name, row->type);
}

static void
s_failed (proxy_t *self, const call_t *call, berth_error_t *err)
{
    if (!err->provider [0])
        berth_error_set (err->provider, sizeof err->provider, "%s", self->provider->name);
    bool lost = err->code == BERTH_NOT_FOUND;       //  An answer of resume, no failure
    if (lost)
        return;
    char about [128];
    snprintf (about, sizeof about, "%s/%s", self->provider->name,
              request_row (call->letter.type)->type);
    log_fault ("proxy", about, err);
    pthread_mutex_lock (&self->lock);
    self->failures++;
    snprintf (self->last_error, sizeof self->last_error, "%s", err->text);
    self->last_error_at = berth_wall_ms ();
    pthread_mutex_unlock (&self->lock);
}

//  ---- threads

//  The next call, or NULL when it is time to end. Called and returns with the lock held.
static call_t *
s_next (proxy_t *self)
{
    self->idle++;
    while (!proxy_lines_count (self->lines) && !self->stopping)
        pthread_cond_wait (&self->work, &self->lock);
    self->idle--;
    //  What waits in line at a stop is found again from its rows
    return self->stopping ? NULL : proxy_lines_pop (self->lines);
}

//  Is the same thing of the same row asked already, of a call that does not come back? With the lock
//  held.
static bool
s_hangs (const proxy_t *self, const call_t *call)
{
    for (const call_t *other = self->under_way; other; other = other->next)
        if (other->answered && other->letter.type == call->letter.type
            && strcmp (other->letter.subject, call->letter.subject) == 0)
            return true;
    return false;
}

//  The call is over. Was it answered for in the meantime? With the lock held.
static bool
s_leave (proxy_t *self, call_t *call)
{
    call_t **at = &self->under_way;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    self->running--;
    if (call->answered && --self->hanging == 0)
        self->hanging_since = 0;
    return call->answered;
}

//  Behind an answer that we gave for it, only what was done after all is worth telling: there is a
//  place now, or none any more.
static bool
s_still_tells (const call_t *call, int rc)
{
    return rc == 0 && (call->letter.type == REQUEST_PLACE_OPEN
                       || call->letter.type == REQUEST_PLACE_CLOSE);
}

//  How many threads there may be: one that hangs is no loss to the others, up to as many again.
static size_t
s_bound (const proxy_t *self)
{
    size_t bound = self->provider->concurrency ? self->provider->concurrency : 1;
    return bound + (self->hanging < bound ? self->hanging : bound);
}

static void
s_serve (proxy_t *self, post_t *post, arena_t *arena, call_t *call, bool hangs)
{
    turn_t turn = { self, post, &call->letter, arena, 0 };
    berth_error_t err = { 0 };
    berth_bytes_t result = { NULL, 0 };
    if (PLANTED ("one-call-at-once"))
        pthread_mutex_lock (&s_planted);
    int rc = hangs ? berth_fail (&err, BERTH_PROVIDER_TIMEOUT, "provider %s has not come back from"
                                 " the same call before", self->provider->name)
                   : s_run (&turn, call, &result, &err);
    if (PLANTED ("one-call-at-once"))
        pthread_mutex_unlock (&s_planted);
    pthread_mutex_lock (&self->lock);
    bool late = s_leave (self, call);
    pthread_mutex_unlock (&self->lock);
    if (late)
        log_event ("late_answer", "provider=%s about=%s subject=%s ok=%d", self->provider->name,
                   request_row (call->letter.type)->type, call->letter.subject, rc == 0);
    else if (rc)
        s_failed (self, call, &err);
    if (!late || s_still_tells (call, rc))
        s_answer (&turn, result, rc ? &err : NULL);
    if (!late)
        proxy_prepare (self->provider, self->self_of_provider, call->letter.type);
    arena_clear (arena);
    free (call);
}

static void *
s_thread (void *args)
{
    proxy_t *self = args;
    post_t *post = post_new (self->context->wiring);
    arena_t *arena = arena_new ();
    pthread_mutex_lock (&self->lock);
    call_t *call;
    while (self->threads <= s_bound (self) && (call = s_next (self))) {
        bool hangs = s_hangs (self, call);
        call->next = self->under_way;
        self->under_way = call;
        self->running++;
        pthread_mutex_unlock (&self->lock);
        s_serve (self, post, arena, call, hangs);
        pthread_mutex_lock (&self->lock);
    }
    pthread_mutex_unlock (&self->lock);
    arena_destroy (&arena);
    post_destroy (&post);
    pthread_mutex_lock (&self->lock);
    self->threads--;
    pthread_cond_broadcast (&self->work);
    pthread_mutex_unlock (&self->lock);
    return NULL;
}

//  With the lock held.
static void
s_start_thread (proxy_t *self)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init (&attributes);
    pthread_attr_setdetachstate (&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize (&attributes, STACK_BYTES);
    if (pthread_create (&thread, &attributes, s_thread, self) == 0)
        self->threads++;
    pthread_attr_destroy (&attributes);
}

//  ---- the actor

proxy_t *
proxy_new (const context_t *context, const provider_t *provider)
{
    proxy_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = PROXY_MAGIC;
    self->context = context;
    self->provider = provider;
    self->host = context->host;
    self->host.provider = provider->name;
    self->lines = proxy_lines_new ();
    self->inbox = wiring_take (context->wiring, ACTOR_PROXY, provider->name, INBOX_INTERNAL);
    pthread_mutex_init (&self->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (&self->work, &attributes);
    pthread_condattr_destroy (&attributes);
    if (provider->open
        && provider->open (&self->self_of_provider, &self->host, &self->broken)) {
        self->self_of_provider = NULL;
        log_fault ("proxy", provider->name, &self->broken);
        self->broken.code = BERTH_PROVIDER_UNAVAILABLE;
    }
    return self;
}

bool
proxy_destroy (proxy_t **self_p)
{
    proxy_t *self = *self_p;
    if (!self)
        return true;
    CHECK (self, PROXY_MAGIC);
    struct timespec until;
    clock_gettime (CLOCK_MONOTONIC, &until);
    until.tv_sec += 1;
    pthread_mutex_lock (&self->lock);
    self->stopping = true;
    pthread_cond_broadcast (&self->work);
    int rc = 0;
    while (self->threads && rc == 0)
        rc = pthread_cond_timedwait (&self->work, &self->lock, &until);
    bool hangs = self->threads > 0;
    pthread_mutex_unlock (&self->lock);
    *self_p = NULL;
    if (hangs)
        return false;
    proxy_lines_destroy (&self->lines);
    if (self->provider->close && self->self_of_provider)
        self->provider->close (&self->self_of_provider);
    zsock_destroy (&self->inbox);
    pthread_mutex_destroy (&self->lock);
    pthread_cond_destroy (&self->work);
    self->magic = 0;
    free (self);
    return true;
}

static void
s_refuse (proxy_t *self, const call_t *call, berth_code_t code, const char *text)
{
    own (arena) arena = arena_new ();
    turn_t turn = { self, self->post, &call->letter, arena, 0 };
    berth_error_t err = { 0 };
    (void) berth_fail (&err, code, "provider %s %s", self->provider->name, text);
    s_answer (&turn, (berth_bytes_t) { NULL, 0 }, &err);
}

static void
s_receive (proxy_t *self)
{
    own (arena) arena = arena_new ();
    letter_t letter;
    zmq_msg_t body, data;
    while (post_receive (zsock_resolve (self->inbox), &letter, sizeof letter, &body, &data) == 0) {
        size_t size = zmq_msg_size (&body);
        call_t *call = malloc (sizeof *call + size);
        ENSURE (call && letter.magic == LETTER_MAGIC);
        call->next = NULL;
        call->answered = false;
        call->letter = letter;
        call->until_ms = letter.deadline_ms ? letter.deadline_ms
                                            : berth_mono_ms () + PROXY_CALL_MS;
        call->size = size;
        memcpy (call->body, zmq_msg_data (&body), size);
        zmq_msg_close (&body);
        zmq_msg_close (&data);
        const char *company = any_text ((berth_bytes_t) { call->body, size }, "companyId", arena);
        pthread_mutex_lock (&self->lock);
        size_t waiting = proxy_lines_count (self->lines);
        if (self->idle <= waiting && self->threads < s_bound (self))
            s_start_thread (self);
        bool full = waiting >= PROXY_WAITING_MAX || self->threads == 0;
        if (!full) {
            proxy_lines_push (self->lines, company ? company : "", &call);
            pthread_cond_signal (&self->work);
        }
        pthread_mutex_unlock (&self->lock);
        if (full) {
            s_refuse (self, call, BERTH_BUSY, "has too many calls waiting");
            free (call);
        }
        arena_clear (arena);
    }
}

//  ---- calls whose time is over

//  Of a provider that does not keep its deadlines, others must not pay: who asked is answered, once
//  the call had a little more than its time. With the lock held: one of those, or NULL; and when the
//  next is to be looked at.
static call_t *
s_overdue (proxy_t *self, int64_t now_ms, int64_t *ret_next_ms)
{
    *ret_next_ms = INT64_MAX;
    for (call_t *call = self->under_way; call; call = call->next) {
        int64_t until_ms = call->until_ms + PROXY_GRACE_MS;
        if (call->answered)
            continue;
        if (until_ms <= now_ms)
            return call;
        if (until_ms < *ret_next_ms)
            *ret_next_ms = until_ms;
    }
    return NULL;
}

static void
s_answer_for (proxy_t *self, const letter_t *letter, const char *text)
{
    call_t call = { .letter = *letter };
    berth_error_t err = { 0 };
    (void) berth_fail (&err, BERTH_PROVIDER_TIMEOUT, "provider %s %s", self->provider->name, text);
    s_failed (self, &call, &err);
    s_refuse (self, &call, BERTH_PROVIDER_TIMEOUT, text);
}

//  Answers for calls that hang, and for those that waited in vain behind them. Returns how long until
//  it is to be done again, -1 for ever.
static long
s_watch (proxy_t *self)
{
    int64_t now_ms = berth_mono_ms (), next_ms;
    call_t *call;
    pthread_mutex_lock (&self->lock);
    while ((call = s_overdue (self, now_ms, &next_ms))) {
        letter_t letter = call->letter;
        call->answered = true;
        if (self->hanging++ == 0)
            self->hanging_since = berth_wall_ms ();
        if (proxy_lines_count (self->lines) && self->threads < s_bound (self))
            s_start_thread (self);
        pthread_mutex_unlock (&self->lock);
        s_answer_for (self, &letter, "does not come back from the call");
        pthread_mutex_lock (&self->lock);
    }
    call_t *expired = proxy_lines_count (self->lines) ? proxy_lines_expired (self->lines, now_ms) : NULL;
    if (proxy_lines_count (self->lines) && now_ms + PROXY_GRACE_MS < next_ms)
        next_ms = now_ms + PROXY_GRACE_MS;
    pthread_mutex_unlock (&self->lock);
    while ((call = expired)) {
        expired = call->next;
        s_answer_for (self, &call->letter, "was too busy to begin before the deadline");
        free (call);
    }
    return next_ms == INT64_MAX ? -1 : (long) (next_ms - now_ms);
}

void
proxy_actor (zsock_t *pipe, void *args)
{
    proxy_t *self = args;
    CHECK (self, PROXY_MAGIC);
    self->post = post_new (self->context->wiring);
    zsock_signal (pipe, 0);
    zmq_pollitem_t items [] = {
        { zsock_resolve (pipe), 0, ZMQ_POLLIN, 0 },
        { zsock_resolve (self->inbox), 0, ZMQ_POLLIN, 0 },
    };
    bool running = true;
    while (running) {
        if (zmq_poll (items, 2, s_watch (self)) < 0 && errno != EINTR)
            break;
        if (items [0].revents) {
            char *command = zstr_recv_nowait (pipe);
            running = !(command && streq (command, "$TERM"));
            zstr_free (&command);
        }
        s_receive (self);
    }
    zsock_destroy (&self->inbox);
    post_destroy (&self->post);
}

void
proxy_stats (proxy_t *self, arena_t *arena, bus_provider_t *ret_stats)
{
    CHECK (self, PROXY_MAGIC);
    pthread_mutex_lock (&self->lock);
    *ret_stats = (bus_provider_t) {
        .name = self->provider->name, .state = self->broken.code ? "unavailable" : "ready",
        .calls = proxy_lines_count (self->lines) + self->running, .failures = self->failures,
        .hanging = self->hanging, .hanging_since = self->hanging_since,
        .last_error = self->last_error [0] ? arena_string (arena, self->last_error) : NULL,
        .last_error_at = self->last_error_at,
    };
    pthread_mutex_unlock (&self->lock);
}

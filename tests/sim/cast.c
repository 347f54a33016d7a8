//  cast.c - owns the store and the actors on it: the process that lives, dies and is started again.

#include "sim.h"

#include "execs.h"
#include "leases.h"
#include "realizer.h"
#include "registry.h"
#include "runs.h"

#include <stdio.h>

enum { MAP_BYTES = 512 << 20, BATCH_MAX = 16 };

//  In the order in which the service starts them.
#define CAST(X) X (LEASES, leases) X (EXECS, execs) X (REALIZER, realizer) X (RUNS, runs) X (REGISTRY, registry)

typedef struct {
    actor_code_t code;
    void *(*make) (const context_t *context, berth_error_t *err);
    actor_t *(*kit) (void *actor);
    void (*end) (void **actor_p);
} role_t;

#define ROLE_CALLS_(code, name)                                                                    \
    static void *s_make_##name (const context_t *context, berth_error_t *err)                      \
    { return name##_new (context, err); }                                                          \
    static actor_t *s_kit_##name (void *actor) { return name##_kit (actor); }                      \
    static void s_end_##name (void **actor_p)                                                      \
    { name##_t *actor = *actor_p; name##_destroy (&actor); *actor_p = NULL; }
CAST (ROLE_CALLS_)

#define ROLE_ROW_(code, name) { ACTOR_##code, s_make_##name, s_kit_##name, s_end_##name },
static const role_t s_cast [] = { CAST (ROLE_ROW_) };

bool
sim_cast_has (actor_code_t code)
{
    for (size_t index = 0; index < BERTH_COUNT (s_cast); index++)
        if (s_cast [index].code == code)
            return true;
    return false;
}

//  ---- messages

void
sim_post (sim_t *self, actor_code_t to, actor_code_t from, const letter_t *letter,
          berth_bytes_t body)
{
    sim_inbox_t *inbox = &self->inboxes [to];
    if (inbox->count == SIM_INBOX_MAX) {
        sim_broken (self, "the inbox of %s grows without end", actor_text (to));
        return;
    }
    sim_message_t *message = arena_new_of (self->arena, sim_message_t);
    message->from = from;
    message->to = to;
    message->letter = *letter;
    message->body = (berth_bytes_t) { arena_copy (self->arena, body.data, body.size), body.size };
    inbox->items [inbox->count++] = message;
}

//  What an actor sends; where the process dies in the middle of it, the rest is never sent.
typedef struct {
    sim_t *sim;
    actor_code_t from;
} outbox_t;

static void
s_send (void *context, actor_code_t to, const char *provider, const letter_t *letter,
        reply_status_t status, berth_bytes_t body, berth_bytes_t data, data_free_fn *data_free)
{
    outbox_t *out = context;
    sim_t *self = out->sim;
    if (data_free)
        data_free ((void *) data.data, NULL);
    if (self->dying && self->last_words-- == 0) {
        self->last_words = 0;
        return;
    }
    uint64_t mixed = (uint64_t) to << 32 | letter->type;
    for (size_t index = 0; index < body.size; index += 7)
        mixed = (mixed ^ body.data [index]) * 0x100000001b3;
    sim_note (self, actor_text (to), letter->subject, mixed);
    letter_t stamped = *letter;
    if (to == ACTOR_FRONT) {
        sim_client_answer (self, letter, status, body);
        return;
    }
    if (stamped.type != REQUEST_STEP_DONE)
        stamped.answer_to = (uint8_t) out->from;
    if (to == ACTOR_PROXY)
        sim_provider_take (self, provider, &stamped, body);
    else if (sim_cast_has (to))
        sim_post (self, to, out->from, &stamped, body);
}

//  Steps first, as the loop of an actor takes them; of each sender in its order, senders in any.
static sim_message_t *
s_take (sim_t *self, sim_inbox_t *inbox)
{
    size_t chosen = inbox->count;
    uint64_t seen = 0;
    actor_code_t from = ACTOR_FRONT;
    for (size_t index = 0; index < inbox->count; index++)
        if (inbox->items [index]->from != ACTOR_FRONT && sim_below (self, ++seen) == 0)
            from = inbox->items [index]->from;
    for (size_t index = inbox->count; index-- > 0;)
        if (inbox->items [index]->from == from)
            chosen = index;
    sim_message_t *message = inbox->items [chosen];
    inbox->count--;
    memmove (&inbox->items [chosen], &inbox->items [chosen + 1],
             (inbox->count - chosen) * sizeof inbox->items [0]);
    return message;
}

void
sim_cast_serve (sim_t *self, actor_code_t code, size_t most)
{
    incoming_t batch [BATCH_MAX];
    sim_inbox_t *inbox = &self->inboxes [code];
    size_t count = 0;
    most = most < BATCH_MAX ? most : BATCH_MAX;
    while (count < most && inbox->count) {
        sim_message_t *message = s_take (self, inbox);
        batch [count++] = (incoming_t) { .letter = message->letter, .body = message->body };
        sim_say (self, "  %s <- %s %s %s %s", actor_text (code),
                 request_row (message->letter.type)->type, message->letter.subject,
                 message->letter.step, message->letter.key);
    }
    outbox_t out = { self, code };
    sim_note (self, "serve", actor_text (code), count);
    actor_serve (self->kits [code], batch, count, sim_wall_ms (), sim_mono_ms (), s_send, &out);
    self->step += count ? count : 1;
    sim_model_read (self);
}

int64_t
sim_cast_next_ms (const sim_t *self, actor_code_t *ret_code)
{
    int64_t next_ms = INT64_MAX;
    for (size_t index = 0; index < BERTH_COUNT (s_cast); index++) {
        int64_t due_ms = actor_next_ms (self->kits [s_cast [index].code]);
        if (due_ms < next_ms) {
            next_ms = due_ms;
            *ret_code = s_cast [index].code;
        }
    }
    return next_ms;
}

//  ---- life and death

static void
s_open_store (sim_t *self)
{
    berth_error_t err = { 0 };
    assert_ok (store_open (self->folder, MAP_BYTES, &self->store, &err), err);
    self->context.store = self->store;
}

static void
s_start (sim_t *self)
{
    berth_error_t err = { 0 };
    self->started_ms = sim_mono_ms ();
    for (size_t index = 0; index < BERTH_COUNT (s_cast); index++) {
        const role_t *role = &s_cast [index];
        self->actors [role->code] = role->make (&self->context, &err);
        if (!self->actors [role->code])
            fail_msg ("%s does not start: %s", actor_text (role->code), err.text);
        self->kits [role->code] = role->kit (self->actors [role->code]);
        actor_set_trust (self->kits [role->code], self->context.trust);
    }
    for (size_t index = 0; index < BERTH_COUNT (s_cast); index++) {
        outbox_t out = { self, s_cast [index].code };
        actor_serve_start (self->kits [s_cast [index].code], sim_wall_ms (), sim_mono_ms (), s_send,
                           &out);
    }
    sim_model_read (self);
}

static void
s_stop (sim_t *self)
{
    for (size_t index = BERTH_COUNT (s_cast); index-- > 0;) {
        s_cast [index].end (&self->actors [s_cast [index].code]);
        self->inboxes [s_cast [index].code].count = 0;
    }
}

void
sim_cast_open (sim_t *self)
{
    self->folder = fixture_folder_new ();
    self->context.trust = trust_new ();
    self->context.test_providers = true;
    //  What is kept, is kept for an hour: each tick is a step.
    self->context.retention.places_ms = self->context.retention.retained_ms = 3600000;
    self->context.sweep = (sweep_how_t) { .every_ms = 300000, .age_ms = 600000 };
    self->context.host.state = self->folder;
    self->context.host.runtime = self->folder;
    s_open_store (self);
    s_start (self);
}

void
sim_cast_close (sim_t *self)
{
    s_stop (self);
    store_destroy (&self->store);
    trust_destroy (&self->context.trust);
    fixture_folder_destroy (&self->folder);
}

void
sim_cast_restart (sim_t *self)
{
    self->dying = false;
    s_stop (self);
    sim_provider_crash (self);
    sim_clients_crash (self);
    if (sim_chance (self, 8)) {
        store_destroy (&self->store);
        s_open_store (self);
    }
    s_start (self);
}

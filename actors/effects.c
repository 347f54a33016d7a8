//  effects.c - owns the queue of one actor's effects.

#include "actor.h"
#include "codec.h"
#include "waiters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EFFECTS_MAGIC 0xeffec001u

struct effects {
    uint32_t magic;
    effect_t *items;
    size_t count, room;
};

static const berth_bytes_t s_no_data = { NULL, 0 };

effects_t *
effects_new (void)
{
    effects_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = EFFECTS_MAGIC;
    return self;
}

void
effects_destroy (effects_t **self_p)
{
    effects_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, EFFECTS_MAGIC);
    effects_undo (self, 0);
    free (self->items);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

static effect_t *
s_push (effects_t *self, effect_kind_t kind)
{
    CHECK (self, EFFECTS_MAGIC);
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 64;
        self->items = realloc (self->items, self->room * sizeof *self->items);
        ENSURE (self->items);
    }
    effect_t *effect = &self->items [self->count++];
    *effect = (effect_t) { .kind = kind };
    return effect;
}

size_t
effects_mark (const effects_t *self)
{
    return self->count;
}

void
effects_undo (effects_t *self, size_t mark)
{
    while (self->count > mark) {
        effect_t *effect = &self->items [--self->count];
        if (effect->data_free)
            effect->data_free ((void *) effect->data.data, NULL);
    }
}

//  ---- answers

static const char *
s_known (const char *text)
{
    return text [0] ? text : NULL;
}

berth_bytes_t
effects_pack_error (const berth_error_t *why, arena_t *arena)
{
    error_details_t details = {
        .field = s_known (why->field),
        .env = s_known (why->environment_id),
        .driver = s_known (why->driver),
        .provider = s_known (why->provider),
        .lease = s_known (why->lease_id),
        .cause = s_known (why->cause),
        .provider_status = why->provider_status,
        .remedy = s_known (why->remedy),
        .limit = s_known (why->limit),
    };
    bool known = details.field || details.env || details.driver || details.provider || details.lease
              || details.cause || details.provider_status || details.remedy || details.limit
              || why->retry_after_ms;
    if (why->limit [0])
        berth_put (error_details, &details, limit_value, why->limit_value);
    if (why->retry_after_ms)
        berth_put (error_details, &details, retry_after_ms, why->retry_after_ms);
    error_body_t error = {
        .code = berth_code_text (why->code),
        .message = why->text,
        .retryable = berth_code_retryable (why->code),
        .details = known ? &details : NULL,
    };
    return berth_pack (&error_body_schema, &error, arena);
}

//  Whoever gets it: a client by its ticket, an actor by its step, or nobody (a tick).
static void
s_answer (effects_t *self, const letter_t *to, arena_t *arena, reply_status_t status,
          berth_bytes_t body, berth_bytes_t data, data_free_fn *data_free)
{
    effect_t *effect = s_push (self, EFFECT_ANSWER);
    effect->letter = arena_copy (arena, to, sizeof *to);
    effect->status = status;
    effect->body = body;
    effect->data = data;
    effect->data_free = data_free;
}

void
effects_reply_data (effects_t *self, const letter_t *to, arena_t *arena,
                    const berth_schema_t *schema, const void *result, berth_bytes_t data,
                    data_free_fn *data_free)
{
    bool looks = to->answer_to == ACTOR_FRONT && !(to->roles & (ROLE_WORK_ | ROLE_INTERNAL));
    berth_bytes_t packed = looks ? berth_pack_public (schema, result, arena)
                                 : berth_pack (schema, result, arena);
    s_answer (self, to, arena, reply_status_OK, packed, data, data_free);
}

void
effects_reply_to (effects_t *self, const letter_t *to, arena_t *arena,
                  const berth_schema_t *schema, const void *result)
{
    effects_reply_data (self, to, arena, schema, result, s_no_data, NULL);
}

void
effects_fail_to (effects_t *self, const letter_t *to, arena_t *arena, const berth_error_t *why)
{
    s_answer (self, to, arena, reply_status_ERROR, effects_pack_error (why, arena), s_no_data, NULL);
}

void
effects_reply (effects_t *self, const request_t *req, const berth_schema_t *schema,
               const void *result)
{
    effects_reply_to (self, req->letter, req->arena, schema, result);
}

void
effects_fail (effects_t *self, const request_t *req, const berth_error_t *why)
{
    effects_fail_to (self, req->letter, req->arena, why);
}

void
effects_chunk (effects_t *self, const letter_t *to, arena_t *arena, const berth_schema_t *schema,
               const void *body, berth_bytes_t data, data_free_fn *data_free)
{
    s_answer (self, to, arena, reply_status_STREAM, berth_pack (schema, body, arena), data,
              data_free);
}

//  ---- waiting

void
effects_wait (effects_t *self, const request_t *req, const char *subject)
{
    effect_t *effect = s_push (self, EFFECT_WAIT);
    effect->letter = arena_copy (req->arena, req->letter, sizeof *req->letter);
    effect->subject = arena_string (req->arena, subject);
}

static void
s_settle (effects_t *self, arena_t *arena, const char *subject, reply_status_t status,
          berth_bytes_t body)
{
    effect_t *effect = s_push (self, EFFECT_SETTLE);
    effect->subject = arena_string (arena, subject);
    effect->status = status;
    effect->body = body;
}

void
effects_settle (effects_t *self, arena_t *arena, const char *subject, const berth_schema_t *schema,
                const void *result)
{
    s_settle (self, arena, subject, reply_status_OK, berth_pack (schema, result, arena));
}

void
effects_settle_error (effects_t *self, arena_t *arena, const char *subject, const berth_error_t *why)
{
    s_settle (self, arena, subject, reply_status_ERROR, effects_pack_error (why, arena));
}

void
effects_progress (effects_t *self, arena_t *arena, const char *subject,
                  const berth_schema_t *schema, const void *body)
{
    effect_t *effect = s_push (self, EFFECT_PROGRESS);
    effect->subject = arena_string (arena, subject);
    effect->body = berth_pack (schema, body, arena);
}

int
effects_outcome (const effects_t *self, size_t mark, const letter_t *letter,
                 berth_bytes_t *ret_reply, const char **ret_subject)
{
    for (size_t index = mark; index < self->count; index++) {
        const effect_t *effect = &self->items [index];
        bool ours = effect->letter && effect->letter->ticket == letter->ticket
                 && effect->letter->answer_to == letter->answer_to;
        if (ours && effect->kind == EFFECT_ANSWER && effect->status == reply_status_OK) {
            *ret_reply = effect->body;
            return 1;
        }
        if (ours && effect->kind == EFFECT_WAIT) {
            *ret_subject = effect->subject;
            return 2;
        }
    }
    return 0;
}

bool
effects_awaits (const effects_t *self, const char *subject)
{
    for (size_t index = 0; index < self->count; index++)
        if (self->items [index].kind == EFFECT_WAIT
            && strcmp (self->items [index].subject, subject) == 0)
            return true;
    return false;
}

int
effects_keep (const effects_t *self, const waiters_t *waiters, effects_keep_fn *keep, void *context,
              berth_error_t *err)
{
    for (size_t index = 0; index < self->count; index++) {
        const effect_t *settle = &self->items [index];
        if (settle->kind != EFFECT_SETTLE || settle->status != reply_status_OK)
            continue;
        for (waiter_t **link = NULL;
             (link = waiters_find ((waiters_t *) waiters, settle->subject, link));
             link = &(*link)->next)
            if (keep (context, &(*link)->letter, settle->body, err))
                return -1;
        for (size_t before = 0; before < index; before++) {     //  Of this very batch
            const effect_t *wait = &self->items [before];
            if (wait->kind == EFFECT_WAIT && strcmp (wait->subject, settle->subject) == 0
                && keep (context, wait->letter, settle->body, err))
                return -1;
        }
    }
    return 0;
}

bool
effects_reply_settled (effects_t *self, const request_t *req, const char *subject)
{
    for (size_t index = self->count; index-- > 0;) {
        const effect_t *effect = &self->items [index];
        if (effect->kind != EFFECT_SETTLE || strcmp (effect->subject, subject))
            continue;
        s_answer (self, req->letter, req->arena, effect->status, effect->body, s_no_data, NULL);
        return true;
    }
    return false;
}

void
effects_reply_packed (effects_t *self, const request_t *req, berth_bytes_t reply)
{
    s_answer (self, req->letter, req->arena, reply_status_OK, reply, s_no_data, NULL);
}

//  ---- work

void
effects_work (effects_t *self, arena_t *arena, actor_code_t to, const char *provider,
              request_code_t type, const char *subject, const char *step, const request_t *like,
              int64_t deadline_ms, const void *body)
{
    letter_t *letter = arena_new_of (arena, letter_t);
    if (like)
        *letter = *like->letter;
    letter->magic = LETTER_MAGIC;
    letter->type = (uint16_t) type;
    letter->roles = ROLE_INTERNAL;
    letter->ticket = 0;
    letter->key [0] = 0;
    letter->streams = letter->cancelled = false;
    letter->credit = 0;
    letter->deadline_ms = deadline_ms;
    snprintf (letter->subject, sizeof letter->subject, "%s", subject);
    snprintf (letter->step, sizeof letter->step, "%s", step);

    effect_t *effect = s_push (self, EFFECT_WORK);
    effect->to = to;
    effect->provider = arena_string (arena, provider);
    effect->letter = letter;
    effect->body = berth_pack (request_row (type)->request, body, arena);
}

void
effects_call (effects_t *self, const request_t *req, effect_call_fn *call, void *actor,
              const void *what)
{
    effect_t *effect = s_push (self, EFFECT_CALL);
    effect->call = call;
    effect->actor = actor;
    effect->req = arena_copy (req->arena, req, sizeof *req);
    effect->what = what;
}

//  ---- performing

typedef struct {
    arena_t *arena;
    effect_send_fn *send;
    void *context;
} outbox_t;

static void
s_send_answer (outbox_t *out, const letter_t *to, reply_status_t status, berth_bytes_t body,
               berth_bytes_t data, data_free_fn *data_free)
{
    bool step = to->answer_to != ACTOR_FRONT;
    if (step && status != reply_status_STREAM) {
        //  The answer to a step is a request to the actor that sent it.
        bool ok = status == reply_status_OK;
        step_done_t done = {
            .subject = to->subject, .step = to->step, .ok = ok,
            .result = ok ? body : s_no_data, .error = ok ? s_no_data : body,
        };
        letter_t letter = *to;
        letter.type = REQUEST_STEP_DONE;
        letter.answer_to = ACTOR_FRONT;
        letter.deadline_ms = 0;
        out->send (out->context, to->answer_to, NULL, &letter, status,
                   berth_pack (&step_done_schema, &done, out->arena), s_no_data, NULL);
    }
    else if (!step && to->ticket && (status != reply_status_STREAM || to->streams)) {
        out->send (out->context, ACTOR_FRONT, NULL, to, status, body, data, data_free);
        return;
    }
    if (data_free)
        data_free ((void *) data.data, NULL);
}

static void
s_perform_settle (outbox_t *out, waiters_t *waiters, const effect_t *effect)
{
    waiter_t **link = NULL;
    while ((link = waiters_find (waiters, effect->subject, link))) {
        s_send_answer (out, &(*link)->letter, effect->status, effect->body, s_no_data, NULL);
        waiters_remove (waiters, link);
    }
}

static void
s_perform_progress (outbox_t *out, waiters_t *waiters, const effect_t *effect)
{
    for (waiter_t **link = NULL; (link = waiters_find (waiters, effect->subject, link));
         link = &(*link)->next)
        s_send_answer (out, &(*link)->letter, reply_status_STREAM, effect->body, s_no_data, NULL);
}

void
effects_perform (effects_t *self, waiters_t *waiters, arena_t *arena, effect_send_fn *send,
                 void *context)
{
    outbox_t out = { arena, send, context };
    for (size_t index = 0; index < self->count; index++) {
        const effect_t copy = self->items [index], *effect = &copy;     //  A call may queue more
        switch (effect->kind) {
            case EFFECT_ANSWER:
                s_send_answer (&out, effect->letter, effect->status, effect->body, effect->data,
                               effect->data_free);
                break;
            case EFFECT_WORK:
                send (context, effect->to, effect->provider, effect->letter, reply_status_OK,
                      effect->body, s_no_data, NULL);
                break;
            case EFFECT_WAIT:
                waiters_add (waiters, effect->letter, effect->subject);
                break;
            case EFFECT_SETTLE:
                s_perform_settle (&out, waiters, effect);
                break;
            case EFFECT_PROGRESS:
                s_perform_progress (&out, waiters, effect);
                break;
            case EFFECT_CALL:
                effect->call (effect->actor, effect->req, effect->what, self);
                break;
            default:
                ENSURE (!"a kind of effect");
        }
    }
    self->count = 0;
}

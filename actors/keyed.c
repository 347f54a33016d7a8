//  keyed.c - owns the way of a request with an idempotency key: what is remembered of it, and how a
//  repeat is answered from that.

#include "keyed.h"

#include "codec.h"
#include "log.h"
#include "plant.h"
#include "retries.h"

#include <stdio.h>
#include <string.h>

_Static_assert (sizeof ((letter_t *) NULL)->scope == RETRIES_SCOPE_SIZE, "a letter has room for a scope");

bool
keyed_is (const letter_t *letter)
{
    return !PLANTED ("retry-again") && letter->key [0] && letter->answer_to == ACTOR_FRONT
        && (request_row (letter->type)->mode & MODE_WRITE);
}

//  ---- an answer that was too large to be kept

//  The request that reads one row of what this one answers with; REQUEST_COUNT if there is none.
static request_code_t
s_getter (const actor_spec_t *spec, const request_row_t *row)
{
    char type [64];
    snprintf (type, sizeof type, "%s.get", row->reply->name);
    request_code_t code = request_code (type);
    return code != REQUEST_COUNT && request_row (code)->reply == row->reply && spec->handlers [code]
        ? code : REQUEST_COUNT;
}

//  The row that the answer was about, as it is now.
static int
s_answer_row (const actor_spec_t *spec, void *actor, request_code_t getter,
              const retry_scope_t *scope, const char *id, const request_t *req, store_txn_t *txn,
              effects_t *fx, berth_error_t *err)
{
    const request_row_t *row = request_row (getter);
    berth_bytes_t ask = berth_empty_map;
    for (size_t index = 0; index < row->request->count; index++) {
        const berth_field_t *field = &row->request->fields [index];
        if (field->flags & REQUIRED)
            ask = any_set_text (ask, field->name, strcmp (field->name, "companyId") == 0
                                ? scope->company : id, req->arena);
    }
    void *body = arena_take (req->arena, row->request->size + sizeof (berth_message_t));
    if (berth_unpack_own (row->request, ask, req->arena, body, err))
        return -1;
    request_t get = *req;
    get.row = row;
    get.body = body;
    return spec->handlers [getter] (actor, &get, txn, fx, err);
}

//  ---- deciding

//  A repeat of what is remembered: 0, 1 if it is to be decided (*ret_waited: what the first one
//  waited for, or the row that it was about), or -1.
static int
s_again (const actor_spec_t *spec, void *actor, const waiters_t *waiters, effects_t *fx,
         const retry_scope_t *scope, const retry_t *retry, const request_t *req, store_txn_t *txn,
         const char **ret_waited, berth_error_t *err)
{
    *ret_waited = NULL;
    if (retry->subject) {
        *ret_waited = retry->subject;
        //  What is settled by this very batch answers those who wait, and nobody behind them.
        if (effects_reply_settled (fx, req, retry->subject))
            return 0;
        if (!waiters_any (waiters, retry->subject) && !effects_awaits (fx, retry->subject))
            return 1;
        effects_wait (fx, req, retry->subject);
        return 0;
    }
    if (!retry->row) {
        effects_reply_packed (fx, req, retry->reply);
        return 0;
    }
    request_code_t getter = s_getter (spec, req->row);
    if (getter != REQUEST_COUNT)
        return s_answer_row (spec, actor, getter, scope, retry->row, req, txn, fx, err);
    *ret_waited = retry->row;
    return 1;
}

int
keyed_decide (const actor_spec_t *spec, void *actor, const waiters_t *waiters, effects_t *fx,
              berth_bytes_t packed, request_t *req, store_txn_t *txn, berth_error_t *err)
{
    retry_scope_t scope = {
        .principal = req->letter->principal, .type = req->row->type, .key = req->letter->key,
        .company = any_text (packed, "companyId", req->arena),
    };
    letter_t *letter = arena_copy (req->arena, req->letter, sizeof *req->letter);
    retry_scope (&scope, letter->scope);
    scope.bytes = letter->scope;
    req->letter = letter;

    retry_t retry;
    const char *waited_for = NULL;
    int rc = retry_find (txn, req->arena, &scope, packed, req->now_ms, &retry, err);
    if (rc == 0) {
        rc = s_again (spec, actor, waiters, fx, &scope, &retry, req, txn, &waited_for, err);
        if (rc == 0)
            return 0;
    }
    if (rc < 0)
        return -1;

    size_t mark = effects_mark (fx);
    request_t again = *req;
    again.subject = waited_for;
    handler_fn *handler = spec->handlers [letter->type];
    if ((waited_for && spec->rejoin ? spec->rejoin : handler) (actor, &again, txn, fx, err))
        return -1;
    retry = (retry_t) { .row = NULL };
    int outcome = effects_outcome (fx, mark, letter, &retry.reply, &retry.subject);
    if (outcome == 2 && waited_for && strcmp (retry.subject, waited_for) == 0)
        return 0;                   //  It waits for the same thing still
    if (outcome == 1 && retry.reply.size > BERTH_REPLY_KEPT_MAX) {
        retry.row = any_text (retry.reply, "id", req->arena);
        if (!retry.row)
            return 0;               //  It is about no row: asked again, it is done again
    }
    return outcome && retry_put (txn, req->arena, &scope, packed, &retry, req->now_ms, err) ? -1 : 0;
}

//  ---- what was waited for

typedef struct {
    store_txn_t *parent, *txn;
    arena_t *arena;
} keeping_t;

static int
s_keep (void *context, const letter_t *waiter, berth_bytes_t reply, berth_error_t *err)
{
    keeping_t *self = context;
    if (!keyed_is (waiter))
        return 0;
    if (!self->txn && store_child (self->parent, &self->txn, err))
        return -1;
    return retry_settle (self->txn, self->arena, waiter->scope, reply, err);
}

//  A reply that cannot be kept is found again by its subject: no reason to fail.
void
keyed_settle (const effects_t *fx, const waiters_t *waiters, arena_t *arena, store_txn_t *txn)
{
    berth_error_t err = { 0 };
    keeping_t keeping = { .parent = txn, .arena = arena };
    int rc = effects_keep (fx, waiters, s_keep, &keeping, &err);
    if (rc == 0 && keeping.txn)
        rc = store_commit (&keeping.txn, &err);
    if (rc)
        log_fault ("kit", "keeping a reply", &err);
    store_txn_destroy (&keeping.txn);
}

//  stage.c - owns the temporary store and the batch of one actor under test.

#include "stage.h"

#include "codec.h"
#include "json.h"
#include "wire.h"

#include <stdio.h>

stage_t *
stage_new (void)
{
    berth_error_t err = { 0 };
    stage_t *self = calloc (1, sizeof *self);
    assert_non_null (self);
    self->folder = fixture_folder_new ();
    self->arena = arena_new ();
    self->now_ms = 1700000000000;
    self->mono_ms = 1000000;
    self->roles = ROLE_OPERATOR;
    self->step_ms = 1000;
    assert_ok (store_open (self->folder, 64 << 20, &self->store, &err), err);
    self->context.store = self->store;
    self->context.trust = trust_new ();
    self->context.retention.retained_ms = BERTH_RETAINED_KEPT_S * 1000ll;
    self->context.retention.places_ms = BERTH_PLACES_KEPT_S * 1000ll;
    return self;
}

void
stage_destroy (stage_t **self_p)
{
    stage_t *self = *self_p;
    store_destroy (&self->store);
    trust_destroy (&self->context.trust);
    fixture_folder_destroy (&self->folder);
    arena_destroy (&self->arena);
    free (self);
    *self_p = NULL;
}

berth_bytes_t
stage_pack (stage_t *self, const char *json)
{
    berth_error_t err = { 0 };
    berth_bytes_t packed;
    char *text = arena_string (self->arena, json);
    for (char *at = text; *at; at++)
        if (*at == '\'')
            *at = '"';
    assert_ok (berth_json_parse (text, strlen (text), self->arena, &packed, &err), err);
    return packed;
}

static incoming_t *
s_queue (stage_t *self, request_code_t type, berth_bytes_t body)
{
    assert_true (self->queued < STAGE_MAX);
    incoming_t *incoming = &self->queue [self->queued++];
    *incoming = (incoming_t) { .body = body };
    incoming->letter = (letter_t) {
        .magic = LETTER_MAGIC, .type = (uint16_t) type, .answer_to = ACTOR_FRONT,
        .roles = ROLE_INTERNAL,
    };
    return incoming;
}

uint64_t
stage_queue (stage_t *self, request_code_t type, const char *json)
{
    letter_t *letter = &s_queue (self, type, stage_pack (self, json))->letter;
    letter->roles = self->roles;
    letter->streams = self->streams;
    letter->ticket = ++self->tickets;
    letter->deadline_ms = self->deadline_ms ? self->mono_ms + self->deadline_ms : 0;
    snprintf (letter->principal, sizeof letter->principal, "%s",
              self->confined ? self->confined : "somebody");
    letter->confined = self->confined != NULL;
    letter->remote = self->remote;
    snprintf (letter->key, sizeof letter->key, "%s", self->key ? self->key : "");
    return letter->ticket;
}

void
stage_queue_step (stage_t *self, request_code_t type, actor_code_t from, const char *subject,
                  const char *step, const char *json)
{
    letter_t *letter = &s_queue (self, type, stage_pack (self, json))->letter;
    letter->answer_to = (uint8_t) from;
    snprintf (letter->subject, sizeof letter->subject, "%s", subject);
    snprintf (letter->step, sizeof letter->step, "%s", step);
}

void
stage_queue_done (stage_t *self, const letter_t *letter, bool ok, const char *json)
{
    berth_bytes_t packed = stage_pack (self, json), none = { NULL, 0 };
    step_done_t done = {
        .subject = letter->subject, .step = letter->step, .ok = ok,
        .result = ok ? packed : none, .error = ok ? none : packed,
    };
    s_queue (self, REQUEST_STEP_DONE, berth_pack (&step_done_schema, &done, self->arena));
}

void
stage_queue_progress (stage_t *self, const letter_t *letter, const char *json)
{
    berth_bytes_t packed = any_set_text (berth_empty_map, "subject", letter->subject, self->arena);
    packed = any_set (packed, "progress", stage_pack (self, json), self->arena);
    s_queue (self, REQUEST_STEP_PROGRESS, packed);
}

static void
s_send (void *context, actor_code_t to, const char *provider, const letter_t *letter,
        reply_status_t status, berth_bytes_t body, berth_bytes_t data, data_free_fn *data_free)
{
    stage_t *self = context;
    assert_true (self->count < STAGE_MAX);
    stage_sent_t *sent = &self->sent [self->count++];
    *sent = (stage_sent_t) {
        .to = to, .provider = arena_string (self->arena, provider), .letter = *letter,
        .status = status,
        .body = { arena_copy (self->arena, body.data, body.size), body.size },
    };
    if (data_free)
        data_free ((void *) data.data, NULL);
    if (self->watch)
        self->watch (sent);
}

static void
s_step (stage_t *self)
{
    self->count = 0;
    self->now_ms += self->step_ms;
    self->mono_ms += self->step_ms;
}

void
stage_start (stage_t *self)
{
    s_step (self);
    actor_serve_start (self->actor, self->now_ms, self->mono_ms, s_send, self);
}

void
stage_serve (stage_t *self)
{
    s_step (self);
    actor_serve (self->actor, self->queue, self->queued, self->now_ms, self->mono_ms, s_send, self);
    self->queued = 0;
}

const stage_sent_t *
stage_answer (const stage_t *self, uint64_t ticket)
{
    for (size_t index = 0; index < self->count; index++)
        if (self->sent [index].to == ACTOR_FRONT && self->sent [index].letter.ticket == ticket)
            return &self->sent [index];
    return NULL;
}

const stage_sent_t *
stage_work (const stage_t *self, actor_code_t to, size_t nth)
{
    for (size_t index = 0; index < self->count; index++)
        if (self->sent [index].to == to && nth-- == 0)
            return &self->sent [index];
    return NULL;
}

berth_bytes_t
stage_ok (stage_t *self, request_code_t type, const char *json)
{
    uint64_t ticket = stage_queue (self, type, json);
    stage_serve (self);
    const stage_sent_t *answer = stage_answer (self, ticket);
    if (!answer || answer->status != reply_status_OK)
        fail_msg ("%s %s: %s", request_row (type)->type, json,
                  answer ? stage_at (self, answer->body, "") : "no answer");
    return answer->body;
}

berth_error_t
stage_fails (stage_t *self, request_code_t type, const char *json)
{
    uint64_t ticket = stage_queue (self, type, json);
    stage_serve (self);
    const stage_sent_t *answer = stage_answer (self, ticket);
    if (!answer || answer->status != reply_status_ERROR)
        fail_msg ("%s %s: %s", request_row (type)->type, json,
                  answer ? stage_at (self, answer->body, "") : "no answer");
    berth_error_t err;
    error_from_body (answer->body, self->arena, &err);
    return err;
}

static berth_bytes_t
s_element (berth_bytes_t list, size_t wanted)
{
    wire_t wire = { list.data, list.data + list.size };
    wire_token_t token;
    if (wire_next (&wire, &token) || token.type != WIRE_ARRAY || wanted >= token.size)
        return (berth_bytes_t) { NULL, 0 };
    while (wanted--)
        wire_skip (&wire);
    const uint8_t *start = wire.at;
    wire_skip (&wire);
    return (berth_bytes_t) { start, (size_t) (wire.at - start) };
}

const char *
stage_at (stage_t *self, berth_bytes_t body, const char *path)
{
    while (*path && body.size) {
        size_t size = strcspn (path, ".");
        const char *name = arena_text (self->arena, path, size);
        body = *name >= '0' && *name <= '9' ? s_element (body, strtoul (name, NULL, 10))
                                            : any_get (body, name);
        path += size + (path [size] == '.');
    }
    return body.size ? berth_json_text (NULL, body, BERTH_JSON_COMPACT, self->arena) : "absent";
}

const char *
stage_text (stage_t *self, berth_bytes_t body, const char *path)
{
    const char *json = stage_at (self, body, path);
    size_t size = strlen (json);
    assert_true (size >= 2 && json [0] == '"');
    return arena_text (self->arena, json + 1, size - 2);
}

uint64_t
stage_entries (stage_t *self)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    assert_ok (store_read (self->store, &txn, &err), err);
    uint64_t last = store_last_seq (txn);
    store_txn_destroy (&txn);
    return last;
}

berth_bytes_t
stage_entry (stage_t *self, uint64_t back)
{
    berth_error_t err = { 0 };
    activity_t row;
    berth_bytes_t packed;
    store_txn_t *txn;
    assert_ok (store_read (self->store, &txn, &err), err);
    uint64_t seq = store_last_seq (txn) - back;
    assert_ok (activity_at (txn, self->arena, seq, &row, &packed, &err), err);
    store_txn_destroy (&txn);
    return packed;
}

void
stage_put_environment (stage_t *self, const char *id, const char *json)
{
    berth_error_t err = { 0 };
    berth_bytes_t packed = stage_pack (self, arena_printf (self->arena,
        "{'id':'%s','companyId':'acme','name':'box','description':null,'driver':'local',"
        "'status':'active','config':{},'metadata':null,'policy':null,'createdAt':1,'updatedAt':1}",
        id));
    environment_t row;
    packed = any_merge (packed, stage_pack (self, json), false, self->arena);
    assert_ok (berth_unpack (&environment_schema, packed, self->arena, &row, &err), err);
    store_txn_t *txn;
    assert_ok (store_begin (self->store, &txn, &err), err);
    assert_ok (environment_put (txn, self->arena, &row, &err), err);
    assert_ok (store_commit (&txn, &err), err);
}

lease_t
stage_lease (stage_t *self, const char *id, const char *env, lease_state_t state)
{
    return (lease_t) {
        .id = id, .company = "acme", .env = env, .status = lease_status_of (state), .state = state,
        .policy = lease_policy_EPHEMERAL, .generation = 7, .acquired_at = self->now_ms,
        .last_used_at = self->now_ms, .created_at = self->now_ms, .updated_at = self->now_ms,
    };
}

void
stage_put_lease (stage_t *self, const lease_t *row)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    assert_ok (store_begin (self->store, &txn, &err), err);
    assert_ok (lease_put (txn, self->arena, row, &err), err);
    assert_ok (store_commit (&txn, &err), err);
}

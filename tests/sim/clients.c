//  clients.c - owns the clients: what they ask, under which key, what they are answered, and whether
//  a retry was a second time.

#include "sim.h"

#include <stdio.h>

static bool
s_waits_too_many (const sim_t *self)
{
    return self->waiting >= SIM_WAITING_MAX;
}

static sim_client_t *
s_new (sim_t *self)
{
    if (self->clients_count == self->clients_room) {
        self->clients_room = self->clients_room ? self->clients_room * 2 : 1024;
        self->clients = realloc (self->clients, self->clients_room * sizeof *self->clients);
        ENSURE (self->clients);
    }
    sim_client_t *client = arena_new_of (self->arena, sim_client_t);
    self->clients [self->clients_count++] = client;
    return client;
}

//  Requests that only read are answered by the actors whose rows they read.
static actor_code_t
s_actor (const request_row_t *row)
{
    if (row->actor != ACTOR_READER)
        return row->actor;
    return strncmp (row->type, "environment.", 12) == 0 ? ACTOR_REGISTRY
         : strncmp (row->type, "workspace.", 10) == 0 ? ACTOR_REALIZER
         : strncmp (row->type, "run.", 4) == 0 ? ACTOR_RUNS : ACTOR_LEASES;
}

void
sim_client_ask (sim_t *self, request_code_t type, berth_bytes_t body, sim_key_t *key,
                int64_t deadline_ms)
{
    const request_row_t *row = request_row (type);
    sim_client_t *client = s_new (self);
    const char *lease = any_text (body, "leaseId", self->scratch);
    *client = (sim_client_t) {
        .type = type, .key = key, .state = ASK_WAITS, .asked_ms = sim_mono_ms (),
        .body = { arena_copy (self->arena, body.data, body.size), body.size },
    };
    snprintf (client->lease, sizeof client->lease, "%s", lease ? lease : "");
    //  What it becomes meanwhile does not count: a place that is replaced by this very request makes
    //  a later one, and a retry is answered as the first was.
    const sim_lease_t *known = lease ? sim_lease_find (self, lease) : NULL;
    client->stale = known && any_number (body, "generation", UINT64_MAX) < known->generation;
    if (key && key->used)
        client->stale = key->stale;
    else if (key) {
        key->used = true;
        key->stale = client->stale;
    }
    letter_t letter = {
        .magic = LETTER_MAGIC, .type = (uint16_t) type, .answer_to = ACTOR_FRONT,
        .roles = ROLE_OPERATOR, .ticket = self->clients_count,
        .deadline_ms = deadline_ms ? sim_mono_ms () + deadline_ms : 0,
    };
    snprintf (letter.principal, sizeof letter.principal, "client");
    snprintf (letter.key, sizeof letter.key, "%s", key ? key->text : "");
    self->waiting++;
    self->result->requests++;
    sim_note (self, "ask", row->type, letter.ticket);
    sim_say (self, "  client %llu asks %s %s", (unsigned long long) letter.ticket, row->type,
             letter.key);
    sim_post (self, s_actor (row), ACTOR_FRONT, &letter, client->body);
}

//  ---- keys

//  A key is good for a day of the wall clock, wherever that was set meanwhile.
static bool
s_is_over (const sim_key_t *key)
{
    static const int64_t good_ms = 23 * 3600000;
    return sim_latest_ms () - key->wall_ms > good_ms;
}

static sim_key_t *
s_new_key (sim_t *self, request_code_t type)
{
    if (self->keys_count == SIM_KEYS_MAX)
        return NULL;
    sim_key_t *key = arena_new_of (self->arena, sim_key_t);
    self->keys [self->keys_count++] = key;
    snprintf (key->text, sizeof key->text, "k%zu", self->keys_count);
    key->type = type;
    key->wall_ms = sim_wall_ms ();
    return key;
}

static bool
s_again (sim_t *self)
{
    if (!self->keys_count)
        return false;
    size_t newest = self->keys_count < 64 ? self->keys_count : 64;
    sim_key_t *key = self->keys [self->keys_count - 1 - sim_below (self, newest)];
    if (s_is_over (key))
        return false;
    self->result->retries++;
    sim_client_ask (self, key->type, key->body, key,
                    sim_chance (self, 3) ? (int64_t) sim_below (self, 20000) + 1 : 0);
    return true;
}

void
sim_client_turn (sim_t *self)
{
    if (s_waits_too_many (self) || (sim_chance (self, 6) && s_again (self)))
        return;
    request_code_t type = sim_workload_type (self);
    bool writes = request_row (type)->mode & MODE_WRITE;
    sim_key_t *key = writes && sim_chance (self, 2) ? s_new_key (self, type) : NULL;
    berth_bytes_t body = sim_workload_body (self, type, key ? key->text : NULL);
    if (key)
        key->body = (berth_bytes_t) { arena_copy (self->arena, body.data, body.size), body.size };
    sim_client_ask (self, type, body, key,
                    sim_chance (self, 3) ? (int64_t) sim_below (self, 20000) + 1 : 0);
}

//  ---- answers

static const char *
s_text (sim_t *self, berth_bytes_t body, const char *name)
{
    const char *text = any_text (body, name, self->scratch);
    return text ? text : "";
}

//  Promise 10: every good answer of a key is about the same thing.
static void
s_check_key (sim_t *self, sim_key_t *key, berth_bytes_t body)
{
    const char *id = s_text (self, body, "id");
    if (!*id)
        return;
    if (!key->answered [0])
        snprintf (key->answered, sizeof key->answered, "%s", id);
    else if (strcmp (key->answered, id) && !s_is_over (key))
        sim_broken (self, "promise 10: %s under key %s was answered with %s, and now with %s",
                    request_row (key->type)->type, key->text, key->answered, id);
}

//  Promise 1: nothing is acknowledged that is not there for who comes after us.
static void
s_check_lease (sim_t *self, berth_bytes_t body)
{
    berth_error_t err = { 0 };
    const char *id = s_text (self, body, "id");
    uint64_t generation = any_number (body, "generation", 0);
    lease_t row;
    store_txn_t *txn;
    ENSURE (store_read (self->store, &txn, &err) == 0);
    if (lease_get (txn, self->scratch, id, &row, &err))
        sim_broken (self, "promise 1: lease %s was acknowledged and has no row", id);
    else if (row.generation < generation)       //  A later one: its place was replaced since
        sim_broken (self, "promise 1: lease %s was acknowledged with generation %llu and has %llu", id,
                    (unsigned long long) generation, (unsigned long long) row.generation);
    store_txn_destroy (&txn);
}

//  Promise 11: a lease's own generation may act, an older one may not. A start that names an exec which
//  is there is told of it, and does nothing.
static void
s_check_fence (sim_t *self, const sim_client_t *client)
{
    bool told = request_row (client->type)->request == &exec_start_schema
             && any_text (client->body, "execId", self->scratch);
    if (client->stale && !told)
        sim_broken (self, "promise 11: %s with generation %llu was done; lease %s had a later one",
                    request_row (client->type)->type,
                    (unsigned long long) any_number (client->body, "generation", 0), client->lease);
}

static void
s_good (sim_t *self, sim_client_t *client, berth_bytes_t body)
{
    const request_row_t *row = request_row (client->type);
    if (client->key)
        s_check_key (self, client->key, body);
    if (row->reply == &lease_schema)
        s_check_lease (self, body);
    s_check_fence (self, client);
    if (client->type == REQUEST_RUN_HEARTBEAT)
        if (getenv ("HB")) sim_model_used (self, s_text (self, body, "companyId"), s_text (self, body, "id"));
    sim_workload_learn (self, client->type, body);
}

void
sim_client_answer (sim_t *self, const letter_t *letter, reply_status_t status, berth_bytes_t body)
{
    if (status == reply_status_STREAM)
        return;
    ENSURE (letter->ticket && letter->ticket <= self->clients_count);
    sim_client_t *client = self->clients [letter->ticket - 1];
    const char *type = request_row (client->type)->type;
    if (client->state != ASK_WAITS) {
        sim_broken (self, "%s of client %llu was answered twice", type,
                    (unsigned long long) letter->ticket);
        return;
    }
    client->state = ASK_ANSWERED;
    self->waiting--;
    self->result->answers++;
    const char *code = status == reply_status_OK ? "ok" : s_text (self, body, "code");
    sim_say (self, "  client %llu is answered %s: %s %s", (unsigned long long) letter->ticket, type,
             code, status == reply_status_OK ? s_text (self, body, "id")
                                             : s_text (self, body, "message"));
    if (status == reply_status_OK)
        s_good (self, client, body);
    else if (strcmp (code, "internal") == 0 && strcmp (s_text (self, body, "message"),
                                                       "as the dice would have it"))
        sim_broken (self, "%s is answered with an internal error: %s", type,
                    s_text (self, body, "message"));
}

void
sim_clients_crash (sim_t *self)
{
    for (size_t index = 0; index < self->clients_count; index++)
        if (self->clients [index]->state == ASK_WAITS)
            self->clients [index]->state = ASK_CUT;
    self->waiting = 0;
}

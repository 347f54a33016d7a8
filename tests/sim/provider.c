//  provider.c - owns the places, and the calls before the provider: a model of the provider `fault`,
//  which refuses, hangs, acts and says that it did not, answers twice, or never, or loses a place.

#include "sim.h"

#include <stdio.h>

enum { LIST_PAGE = 8 };

//  ---- places

static sim_spot_t *
s_find (sim_t *self, const char *id)
{
    for (size_t index = 0; index < self->spots_count; index++)
        if (strcmp (self->spots [index].id, id) == 0)
            return &self->spots [index];
    return NULL;
}

static void
s_id (char *id, size_t size, const sim_call_t *call, const char *provider_lease, const char *lease)
{
    if (provider_lease)
        snprintf (id, size, "%s", provider_lease);
    else
        snprintf (id, size, "%s:%s", call->provider, lease);
}

//  Asked twice with the same lease, it is the same place.
static sim_spot_t *
s_open (sim_t *self, const sim_call_t *call, const char *lease)
{
    char id [256];
    s_id (id, sizeof id, call, NULL, lease);
    sim_spot_t *spot = s_find (self, id);
    if (spot)
        return spot;
    if (self->spots_count == self->spots_room) {
        self->spots_room = self->spots_room ? self->spots_room * 2 : 64;
        self->spots = realloc (self->spots, self->spots_room * sizeof *self->spots);
        ENSURE (self->spots);
    }
    spot = &self->spots [self->spots_count++];
    *spot = (sim_spot_t) { .kept = false };
    snprintf (spot->id, sizeof spot->id, "%s", id);
    snprintf (spot->opener, sizeof spot->opener, "%s", lease);
    snprintf (spot->holder, sizeof spot->holder, "%s", lease);
    return spot;
}

static void
s_remove (sim_t *self, sim_spot_t *spot)
{
    *spot = self->spots [--self->spots_count];
}

void
sim_provider_lose_place (sim_t *self)
{
    if (!self->spots_count)
        return;
    sim_spot_t *spot = &self->spots [sim_below (self, self->spots_count)];
    sim_note (self, "place is gone", spot->id, 0);
    s_remove (self, spot);
}

//  ---- calls

void
sim_provider_take (sim_t *self, const char *provider, const letter_t *letter,
                   berth_bytes_t body)
{
    if (self->calls_count == SIM_CALLS_MAX) {
        sim_broken (self, "calls of the provider grow without end");
        return;
    }
    sim_call_t *call = arena_new_of (self->arena, sim_call_t);
    call->letter = *letter;
    snprintf (call->provider, sizeof call->provider, "%s", provider);
    call->body = (berth_bytes_t) { arena_copy (self->arena, body.data, body.size), body.size };
    self->calls [self->calls_count++] = call;
    self->result->calls++;
    if (letter->type != REQUEST_PLACE_OPEN)
        return;
    //  Promise 3: the row first. What is asked of a provider must be there for who comes after us.
    berth_error_t err = { 0 };
    place_open_t ask;
    lease_t lease;
    store_txn_t *txn;
    ENSURE (berth_unpack (&place_open_schema, body, self->scratch, &ask, &err) == 0);
    ENSURE (store_read (self->store, &txn, &err) == 0);
    if (lease_get (txn, self->scratch, ask.lease, &lease, &err))
        sim_broken (self, "promise 3: a provider is asked to open a place for lease %s, which has no"
                    " row", ask.lease);
    store_txn_destroy (&txn);
}

bool
sim_provider_asked (const sim_t *self, request_code_t type, const char *lease)
{
    for (size_t index = 0; index < self->calls_count; index++)
        if (self->calls [index]->letter.type == type
            && strcmp (self->calls [index]->letter.subject, lease) == 0)
            return true;
    return false;
}

int64_t
sim_provider_next_ms (const sim_t *self)
{
    int64_t next_ms = INT64_MAX;
    for (size_t index = 0; index < self->calls_count; index++) {
        int64_t due_ms = self->calls [index]->letter.deadline_ms;
        next_ms = due_ms && due_ms < next_ms ? due_ms : next_ms;
    }
    return next_ms;
}

//  ---- doing what is asked: 0 with a result, or a code

static berth_code_t
s_do_open (sim_t *self, const sim_call_t *call, const place_open_t *ask, void *result)
{
    place_opened_t *opened = result;
    sim_spot_t *spot = s_open (self, call, ask->lease);
    opened->provider_lease = arena_string (self->scratch, spot->id);
    opened->metadata = any_set_text (berth_empty_map, "remoteCwd", "/w", self->scratch);
    return BERTH_OK;
}

static berth_code_t
s_do_resume (sim_t *self, const sim_call_t *call, const place_open_t *ask, void *result)
{
    char id [256];
    s_id (id, sizeof id, call, ask->provider_lease, ask->lease);
    sim_spot_t *spot = s_find (self, id);
    if (!spot)
        return BERTH_NOT_FOUND;
    spot->kept = false;
    snprintf (spot->holder, sizeof spot->holder, "%s", ask->lease);
    ((place_opened_t *) result)->provider_lease = arena_string (self->scratch, id);
    return BERTH_OK;
}

static berth_code_t
s_do_close (sim_t *self, const sim_call_t *call, const place_close_t *ask)
{
    char id [256];
    s_id (id, sizeof id, call, ask->provider_lease, ask->lease);
    sim_spot_t *spot = s_find (self, id);
    if (!spot)
        return BERTH_OK;
    bool listed = strcmp (call->provider, "fault") == 0;    //  Else nothing would ever find it
    if (listed && !self->calm && sim_may (self, CHAOS_LIE) && sim_chance (self, 40)) {
        spot->lied = true;
        return BERTH_OK;
    }
    spot->kept = ask->keep_files && !ask->destroy;
    sim_say (self, "  provider: %s of %s%s", spot->kept ? "files are kept" : "gone", id,
             ask->destroy ? ", destroyed" : "");
    if (!spot->kept)
        s_remove (self, spot);
    return BERTH_OK;
}

static berth_code_t
s_do_files (sim_t *self, const sim_call_t *call, const char *provider_lease, const char *lease)
{
    char id [256];
    s_id (id, sizeof id, call, provider_lease, lease);
    return s_find (self, id) ? BERTH_OK : BERTH_NOT_FOUND;
}

static bool
s_left_out (sim_t *self)
{
    return !self->calm && sim_may (self, CHAOS_LIE) && sim_chance (self, 16);
}

static int
s_by_name (const void *one, const void *two)
{
    return strcmp (((const place_listed_t *) one)->provider_lease,
                   ((const place_listed_t *) two)->provider_lease);
}

//  By name, from `after` on; it may leave out what is there.
static berth_code_t
s_do_list (sim_t *self, const sim_call_t *call, const place_list_t *ask, place_list_page_t *page)
{
    place_listed_t *items = arena_array (self->scratch, self->spots_count + 1, place_listed_t);
    size_t size = strlen (call->provider);
    const char **missing = arena_array (self->scratch, ask->expected.count + 1, const char *);
    for (size_t index = 0; index < self->spots_count; index++) {
        const sim_spot_t *spot = &self->spots [index];
        bool ours = strncmp (spot->id, call->provider, size) == 0 && spot->id [size] == ':';
        if (ours && (!ask->after || strcmp (spot->id, ask->after) > 0) && !s_left_out (self))
            items [page->items.count++] = (place_listed_t) { .provider_lease = spot->id,
                                                             .lease = spot->opener, .company = "acme" };
    }
    for (size_t index = 0; index < ask->expected.count; index++)
        if (!s_find (self, ask->expected.items [index]) || s_left_out (self))
            missing [page->missing.count++] = ask->expected.items [index];
    qsort (items, page->items.count, sizeof *items, s_by_name);
    page->items.items = items;
    page->missing.items = missing;
    if (page->items.count > LIST_PAGE) {
        page->items.count = LIST_PAGE;
        page->more = true;
    }
    return BERTH_OK;
}

static berth_code_t
s_do (sim_t *self, const sim_call_t *call, void *result)
{
    const request_row_t *row = request_row (call->letter.type);
    berth_error_t err = { 0 };
    void *ask = arena_take (self->scratch, row->request->size);
    ENSURE (berth_unpack (row->request, call->body, self->scratch, ask, &err) == 0);
    switch ((int) call->letter.type) {
        case REQUEST_PLACE_OPEN:
            return s_do_open (self, call, ask, result);
        case REQUEST_PLACE_RESUME:
            return s_do_resume (self, call, ask, result);
        case REQUEST_PLACE_CLOSE:
            return s_do_close (self, call, ask);
        case REQUEST_PLACE_LIST:
            return s_do_list (self, call, ask, result);
        case REQUEST_PLACE_REALIZE:
            ((place_realized_t *) result)->cwd = (berth_bytes_t) { (const uint8_t *) "/w", 2 };
            return s_do_files (self, call, ((const place_realize_t *) ask)->provider_lease,
                               ((const place_realize_t *) ask)->lease);
        case REQUEST_PLACE_RETURN:
            *(workspace_returned_t *) result = (workspace_returned_t) {
                .lease = ((const place_return_t *) ask)->lease,
                .target = ((const place_return_t *) ask)->target };
            return s_do_files (self, call, ((const place_return_t *) ask)->provider_lease,
                               ((const place_return_t *) ask)->lease);
        case REQUEST_PLACE_PROBE:
            *(probe_result_t *) result = (probe_result_t) { .ok = true, .driver = "sandbox",
                                                            .summary = "It is well." };
            return BERTH_OK;
        default:
            return BERTH_UNSUPPORTED;       //  Of a verb that this model does not know yet
    }
}

//  ---- answering

static void
s_answer (sim_t *self, sim_call_t *call, berth_code_t code, berth_bytes_t result)
{
    berth_error_t why = { 0 };
    step_done_t done = { .subject = call->letter.subject, .step = call->letter.step,
                         .ok = code == BERTH_OK, .result = result };
    if (code) {
        (void) berth_fail (&why, code, "as the dice would have it");
        done.error = effects_pack_error (&why, self->scratch);
    }
    letter_t letter = call->letter;
    actor_code_t to = (actor_code_t) letter.answer_to;
    letter.type = REQUEST_STEP_DONE;
    letter.answer_to = ACTOR_FRONT;
    letter.deadline_ms = 0;
    letter.roles = ROLE_INTERNAL;
    berth_bytes_t body = berth_pack (&step_done_schema, &done, self->scratch);
    sim_say (self, "  provider: %s %s %s", request_row (call->letter.type)->type,
             call->letter.subject, code ? berth_code_text (code) : "ok");
    sim_note (self, "answer", call->letter.subject, code);
    sim_post (self, to, ACTOR_PROXY, &letter, body);
    //  Not of a step that is asked for again behind its failure: which of the two is meant stands nowhere
    bool told = !code || strcmp (call->letter.step, "place");
    if (told && !self->calm && sim_may (self, CHAOS_ECHO) && self->echoes_count < SIM_ECHOES
        && sim_chance (self, 24)) {
        sim_inbox_t *inbox = &self->inboxes [to];
        self->echoes [self->echoes_count++] = inbox->items [inbox->count - 1];
    }
}

//  Twice, and perhaps much later.
void
sim_provider_echo (sim_t *self)
{
    if (!self->echoes_count)
        return;
    size_t chosen = sim_below (self, self->echoes_count);
    sim_message_t *echo = self->echoes [chosen];
    self->echoes [chosen] = self->echoes [--self->echoes_count];
    berth_error_t err = { 0 };
    step_done_t done;
    ENSURE (berth_unpack (&step_done_schema, echo->body, self->scratch, &done, &err) == 0);
    sim_say (self, "  provider: %s %s again", done.subject, done.step);
    sim_note (self, "echo", done.subject, done.ok);
    sim_post (self, echo->to, ACTOR_PROXY, &echo->letter, echo->body);
}

//  What a provider that fails says. Of the first kind it is sure that nothing is open.
static const berth_code_t s_sure [] = { BERTH_PROVIDER_ERROR, BERTH_BUSY, BERTH_UNSUPPORTED };
static const berth_code_t s_unsure [] = { BERTH_PROVIDER_TIMEOUT, BERTH_PROVIDER_TIMEOUT,
                                          BERTH_PROVIDER_UNAVAILABLE, BERTH_INTERNAL };

void
sim_provider_turn (sim_t *self)
{
    if (!self->calls_count)
        return;
    size_t chosen = sim_below (self, self->calls_count);
    sim_call_t *call = self->calls [chosen];
    const request_row_t *row = request_row (call->letter.type);
    bool late = call->letter.deadline_ms && call->letter.deadline_ms <= sim_mono_ms ();
    bool fails = !self->calm && sim_may (self, CHAOS_FAIL);
    uint64_t luck = fails ? sim_below (self, 20) : 0;
    berth_code_t code = BERTH_OK;
    void *result = arena_take (self->scratch, row->reply->size + sizeof (berth_message_t));
    if (luck == 19 && !late)
        return;                     //  It takes its time
    self->calls [chosen] = self->calls [--self->calls_count];
    if (!self->calm && sim_may (self, CHAOS_LOSE) && sim_chance (self, 60)) {
        if (sim_chance (self, 2))
            (void) s_do (self, call, result);
        sim_say (self, "  provider: never answers %s %s", row->type, call->letter.subject);
        return;
    }
    //  A place that is there cannot be said surely not to be: of what is asked again.
    char id [256];
    s_id (id, sizeof id, call, NULL, call->letter.subject);
    bool opens = call->letter.type == REQUEST_PLACE_OPEN;
    if (luck >= 17 && luck < 19 && !(opens && s_find (self, id)))
        code = s_sure [sim_below (self, BERTH_COUNT (s_sure))];
    else if (luck >= 15 || (late && luck >= 8)) {
        code = s_unsure [sim_below (self, BERTH_COUNT (s_unsure))];
        if (sim_chance (self, 2))
            (void) s_do (self, call, result);
    }
    else
        code = s_do (self, call, result);
    s_answer (self, call, code, code ? (berth_bytes_t) { NULL, 0 }
                                     : berth_pack (row->reply, result, self->scratch));
}

//  The process died: what it was doing was done, or was not, and nobody hears of it.
void
sim_provider_crash (sim_t *self)
{
    for (size_t index = 0; index < self->calls_count; index++) {
        const sim_call_t *call = self->calls [index];
        const request_row_t *row = request_row (call->letter.type);
        void *result = arena_take (self->scratch, row->reply->size + sizeof (berth_message_t));
        if (sim_chance (self, 2))
            (void) s_do (self, call, result);
    }
    self->calls_count = self->echoes_count = 0;
}

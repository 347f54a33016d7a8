//  test_admit.c - the one place where companies are checked: every request of the table, by what it names.

#include "stage.h"

#include "actor.h"
#include "codec.h"

#include <string.h>

#define MINE "01890000-0000-7000-8000-0000000000a1"
#define THEIRS "01890000-0000-7000-8000-0000000000b1"
#define NONE "01890000-0000-7000-8000-0000000000c1"

typedef struct {
    stage_t *stage;
    store_txn_t *txn;
    request_t req;
    incoming_t incoming;
    berth_error_t err;
} gate_t;

static int
s_setup (void **state)
{
    stage_t *stage = stage_new ();
    static const char *const one [] = { "acme" };
    trust_add_local (stage->context.trust, "ann", ROLE_PLATFORM, (berth_strs_t) { 1, (void *) one });
    stage_put_environment (stage, MINE, "{}");
    stage_put_environment (stage, THEIRS, "{'companyId':'globex'}");
    *state = stage;
    return 0;
}

static int
s_teardown (void **state)
{
    stage_t *stage = *state;
    stage_destroy (&stage);
    return 0;
}

//  What becomes of a request before its handler: 0 or -1.
static int
s_admit (gate_t *self, stage_t *stage, request_code_t type, berth_bytes_t body, bool confined)
{
    *self = (gate_t) { .stage = stage, .incoming = { .body = body } };
    self->incoming.letter = (letter_t) {
        .magic = LETTER_MAGIC, .type = (uint16_t) type, .answer_to = ACTOR_FRONT, .roles = ROLE_PLATFORM,
        .confined = confined, .principal = "ann",
    };
    self->req = (request_t) { .letter = &self->incoming.letter, .arena = stage->arena,
                              .trust = stage->context.trust };
    assert_ok (store_read (stage->store, &self->txn, &self->err), self->err);
    return request_admit (&self->req, &self->incoming, stage->context.trust, self->txn, &self->err);
}

static int
s_ask (gate_t *self, stage_t *stage, request_code_t type, const char *json, bool confined)
{
    return s_admit (self, stage, type, stage_pack (stage, json), confined);
}

static void
s_end (gate_t *self)
{
    store_txn_destroy (&self->txn);
}

//  A value for each field that is required, so that only the company decides.
static berth_bytes_t
s_body (stage_t *stage, const berth_schema_t *schema, const char *company)
{
    berth_bytes_t map = berth_empty_map;
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        if (strcmp (field->name, "companyId") == 0)
            map = any_set_text (map, field->name, company, stage->arena);
    }
    return map;
}

//  Every request that names a company, of a sender that has another one: it does not exist. What is
//  missing besides is said first, and says nothing of companies.
static void
test_every_row (void **state)
{
    stage_t *stage = *state;
    size_t named = 0, closed = 0, shared = 0;
    for (request_code_t code = 0; code < REQUEST_COUNT; code++) {
        const request_row_t *row = request_row (code);
        if (!(row->roles & ~(unsigned) ROLE_INTERNAL))
            continue;
        gate_t gate;
        const berth_field_t *company = berth_schema_field (row->request, "companyId");
        bool required = false, by_row = false;
        for (size_t index = 0; index < row->request->count; index++) {
            const berth_field_t *field = &row->request->fields [index];
            required |= (field->flags & REQUIRED) && field != company;
            by_row |= field->kind == KIND_ID && (field->flags & REQUIRED);
        }
        if (company && !required) {
            named++;
            assert_int_equal (s_admit (&gate, stage, code, s_body (stage, row->request, "globex"), true), -1);
            assert_int_equal (gate.err.code, BERTH_NOT_FOUND);
            assert_string_equal (gate.err.text, "no company 'globex'");
            s_end (&gate);
            assert_int_equal (s_admit (&gate, stage, code, s_body (stage, row->request, "acme"), true), 0);
            s_end (&gate);
            assert_int_equal (s_admit (&gate, stage, code, s_body (stage, row->request, "globex"), false), 0);
            s_end (&gate);
        }
        else if (!company && !required && !by_row) {
            bool open = row->mode & MODE_SHARED;
            shared += open;
            closed += !open;
            int rc = s_admit (&gate, stage, code, berth_empty_map, true);
            if (rc != (open ? 0 : -1) || (!open && gate.err.code != BERTH_FORBIDDEN))
                fail_msg ("%s: %d %s", row->type, rc, gate.err.text);
            s_end (&gate);
        }
    }
    assert_true (named > 10 && closed > 3 && shared > 3);
}

//  A row of another company is not there, in the words for one that is nowhere.
static void
test_rows (void **state)
{
    stage_t *stage = *state;
    gate_t gate;
    environment_t row;
    static const struct { const char *id; bool confined, seen; } cases [] = {
        { MINE, true, true }, { THEIRS, true, false }, { NONE, true, false }, { THEIRS, false, true },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        const char *id = cases [index].id;
        assert_int_equal (s_ask (&gate, stage, REQUEST_ENVIRONMENT_GET,
                                 arena_printf (stage->arena, "{'environmentId':'%s'}", id),
                                 cases [index].confined), 0);
        int rc = environment_get (gate.txn, stage->arena, id, &row, &gate.err);
        assert_int_equal (rc, cases [index].seen ? 0 : -1);
        if (rc) {
            assert_int_equal (gate.err.code, BERTH_NOT_FOUND);
            assert_string_equal (gate.err.text, arena_printf (stage->arena, "no environment '%s'", id));
        }
        s_end (&gate);
    }
}

//  A step was looked at when it was asked for; nonsense is nonsense whoever says it.
static void
test_steps_and_nonsense (void **state)
{
    stage_t *stage = *state;
    gate_t gate;
    static const char *const nonsense [] = {
        "{'companyId':'a/b'}", "{'companyId':'~x'}", "{'companyId':''}", "{'companyId':7}", "[]",
    };
    for (size_t index = 0; index < BERTH_COUNT (nonsense); index++) {
        assert_int_equal (s_ask (&gate, stage, REQUEST_LEASE_LIST, nonsense [index], index % 2 == 0), -1);
        if (gate.err.code != BERTH_INVALID)
            fail_msg ("%s: %s", nonsense [index], gate.err.text);
        s_end (&gate);
    }
    assert_int_equal (s_ask (&gate, stage, REQUEST_LEASE_LIST, "{'companyId':'acme','heartbeatRunId':'a\\u0007'}",
                             true), -1);
    assert_int_equal (gate.err.code, BERTH_INVALID);
    s_end (&gate);
}

//  Driver local is off over the network, unless configured; on this machine it is nobody's business here.
static void
test_driver (void **state)
{
    stage_t *stage = *state;
    berth_error_t err = { 0 };
    letter_t letter = { .roles = ROLE_OPERATOR };
    request_t req = { .letter = &letter, .arena = stage->arena, .trust = stage->context.trust };
    assert_int_equal (driver_check (&req, "local", &err), 0);
    letter.remote = true;
    assert_int_equal (driver_check (&req, "local", &err), -1);
    assert_int_equal (err.code, BERTH_FORBIDDEN);
    assert_int_equal (driver_check (&req, "sandbox", &err), 0);
    assert_int_equal (driver_check (&req, NULL, &err), 0);
    trust_set_local (stage->context.trust, true);
    assert_int_equal (driver_check (&req, "local", &err), 0);
    trust_set_local (stage->context.trust, false);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_every_row), cmocka_unit_test (test_rows),
        cmocka_unit_test (test_steps_and_nonsense), cmocka_unit_test (test_driver),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}

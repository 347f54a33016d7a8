//  test_activity_log.c - the log has no gap, also over what was undone, and its chain tells of every
//  change.

#include "store_home.h"

#include "activity_log.h"
#include "codec.h"
#include "ids.h"

static void
s_add (home_t *home, store_txn_t *txn, const char *company, const char *entity)
{
    char *id = arena_take (home->arena, BERTH_ID_SIZE);
    berth_id_new (id);
    activity_note_t note = {
        .id = id, .company = company, .actor_type = "user", .actor_id = "u", .run = "r",
        .action = ACTION_ENVIRONMENT_CREATED, .entity = entity, .now_ms = 5,
        .details = any_set_text (berth_empty_map, "name", entity, home->arena),
    };
    assert_ok (activity_add (txn, home->arena, &note, &home->err), home->err);
}

//  Reads a company's log through and says where its chain breaks; 0: nowhere.
static uint64_t
s_verify (home_t *home, store_txn_t *txn, const char *company, const activity_t *changed)
{
    uint8_t before [32] = { 0 };
    uint64_t after = 0;
    activity_t row;
    while (activity_next (txn, home->arena, company, after, &row, &home->err) == 0) {
        uint8_t hash [32];
        if (changed && changed->company_seq == row.company_seq)
            row = *changed;
        activity_hash (&row, before, home->arena, hash);
        assert_int_equal (row.company_seq, after + 1);
        assert_int_equal (row.hash.size, 32);
        if (memcmp (hash, row.hash.data, 32))
            return row.company_seq;
        memcpy (before, hash, 32);
        after = row.company_seq;
    }
    activity_head_t head;
    assert_ok (activity_end (txn, home->arena, company, &head, &home->err), home->err);
    assert_int_equal (head.company_seq, after);
    assert_memory_equal (head.hash.data, before, 32);
    return 0;
}

static void
test_entries (void **state)
{
    home_t *home = *state;
    store_txn_t *txn;
    activity_t row;
    berth_bytes_t packed;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    s_add (home, txn, "acme", "one");
    s_add (home, txn, "other", "two");
    s_add (home, txn, "acme", "three");
    assert_ok (store_commit (&txn, &home->err), home->err);
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    assert_int_equal (store_last_seq (txn), 3);
    assert_int_equal (activity_at (txn, home->arena, 3, &row, &packed, &home->err), 0);
    assert_int_equal (row.seq, 3);
    assert_int_equal (row.company_seq, 2);
    assert_string_equal (row.action, "environment.created");
    assert_string_equal (row.entity_type, "environment");
    assert_string_equal (row.entity, "three");
    assert_string_equal (row.run, "r");
    assert_null (row.agent);
    assert_bytes (berth_pack (&activity_schema, &row, home->arena), packed);
    assert_int_equal (activity_at (txn, home->arena, 4, &row, NULL, &home->err), 1);
    assert_int_equal (activity_at (txn, home->arena, 0, &row, NULL, &home->err), 1);
    store_txn_destroy (&txn);
}

//  A company whose name begins another's, and one that is between two others.
static void
test_companies_are_apart (void **state)
{
    home_t *home = *state;
    static const char *const names [] = { "a", "ab", "b", "a-", "a.b" };
    store_txn_t *txn;
    activity_t row;
    activity_head_t head;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    for (int round = 0; round < 300; round++)           //  Beyond one byte of a number
        for (size_t index = 0; index < BERTH_COUNT (names); index++)
            s_add (home, txn, names [index], names [index]);
    for (size_t index = 0; index < BERTH_COUNT (names); index++) {
        for (uint64_t after = 0; after < 300; after++) {
            assert_int_equal (activity_next (txn, home->arena, names [index], after, &row,
                                             &home->err), 0);
            assert_int_equal (row.company_seq, after + 1);
            assert_string_equal (row.company, names [index]);
        }
        assert_int_equal (activity_next (txn, home->arena, names [index], 300, &row, &home->err),
                          1);
        assert_ok (activity_end (txn, home->arena, names [index], &head, &home->err), home->err);
        assert_int_equal (head.company_seq, 300);
        assert_int_equal (head.floor, 1);
    }
    store_txn_destroy (&txn);
}

static void
test_empty (void **state)
{
    home_t *home = *state;
    static const uint8_t zero [32];
    store_txn_t *txn;
    activity_t row;
    activity_head_t head;
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    assert_int_equal (activity_next (txn, home->arena, "nobody", 0, &row, &home->err), 1);
    assert_ok (activity_end (txn, home->arena, "nobody", &head, &home->err), home->err);
    assert_int_equal (head.company_seq, 0);
    assert_int_equal (head.floor, 0);
    assert_bytes (head.hash, ((berth_bytes_t) { zero, 32 }));
    store_txn_destroy (&txn);
}

//  What was undone leaves no gap, neither in the store nor in the company, nor in the chain.
static void
test_undone_leaves_no_gap (void **state)
{
    home_t *home = *state;
    store_txn_t *txn, *child;
    activity_t row;
    fixture_random_t random = { 42 };
    uint64_t kept = 0;
    for (int batch = 0; batch < 20; batch++) {
        bool lost = fixture_below (&random, 4) == 0;
        uint64_t before = kept;
        assert_ok (store_begin (home->store, &txn, &home->err), home->err);
        for (int part = 0; part < 5; part++) {
            assert_ok (store_child (txn, &child, &home->err), home->err);
            s_add (home, child, part % 2 ? "acme" : "other", "x");
            if (fixture_below (&random, 2))
                store_txn_destroy (&child);
            else {
                assert_ok (store_commit (&child, &home->err), home->err);
                kept++;
            }
        }
        if (lost) {
            store_txn_destroy (&txn);
            kept = before;
        }
        else
            assert_ok (store_commit (&txn, &home->err), home->err);
    }
    assert_true (kept > 10);
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    assert_int_equal (store_last_seq (txn), kept);
    for (uint64_t seq = 1; seq <= kept; seq++) {
        assert_int_equal (activity_at (txn, home->arena, seq, &row, NULL, &home->err), 0);
        assert_int_equal (row.seq, seq);
    }
    assert_int_equal (activity_at (txn, home->arena, kept + 1, &row, NULL, &home->err), 1);
    assert_int_equal (s_verify (home, txn, "acme", NULL), 0);
    assert_int_equal (s_verify (home, txn, "other", NULL), 0);
    store_txn_destroy (&txn);
}

//  Every field of an entry is under the hash.
static void
test_chain_breaks (void **state)
{
    home_t *home = *state;
    store_txn_t *txn;
    activity_t row;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    for (int index = 0; index < 5; index++)
        s_add (home, txn, "acme", "x");
    assert_int_equal (s_verify (home, txn, "acme", NULL), 0);
    assert_int_equal (activity_next (txn, home->arena, "acme", 2, &row, &home->err), 0);
#define BREAKS(change)                                                                             \
    do {                                                                                           \
        activity_t changed = row;                                                                  \
        changed.change;                                                                            \
        assert_int_equal (s_verify (home, txn, "acme", &changed), 3);                              \
    } while (0)
    BREAKS (seq++);
    BREAKS (id = "11111111-1111-7111-8111-111111111111");
    BREAKS (actor_id = "v");
    BREAKS (actor_type = "agent");
    BREAKS (action = "environment.deleted");
    BREAKS (entity_type = "run");
    BREAKS (entity = "y");
    BREAKS (agent = "a");
    BREAKS (run = NULL);
    BREAKS (created_at++);
    BREAKS (company = "acmf");
    BREAKS (details = any_set_text (berth_empty_map, "name", "y", home->arena));
#undef BREAKS
    store_txn_destroy (&txn);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, home_setup, home_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_entries), TEST (test_companies_are_apart), TEST (test_empty),
        TEST (test_undone_leaves_no_gap), TEST (test_chain_breaks),
    };
    return cmocka_run_group_tests_name ("activity_log", tests, NULL, NULL);
}

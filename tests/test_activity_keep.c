//  test_activity_keep.c - what is kept of the log: trimmed from its beginning, its chain whole from the
//  floor on, and every change of an entry named.

#include "store_home.h"

#include "activity_inside.h"
#include "codec.h"
#include "ids.h"
#include "store_lmdb.h"

//  Entries of acme and other in turns, one a second from `first` on.
static void
s_add (home_t *home, int first, int count)
{
    store_txn_t *txn;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    for (int index = first; index < first + count; index++) {
        char id [BERTH_ID_SIZE];
        berth_id_new (id);
        activity_note_t note = {
            .id = id, .company = index % 2 ? "other" : "acme", .run = "r", .entity = "e",
            .action = ACTION_RUN_READY, .details = berth_empty_map, .now_ms = index * 1000,
        };
        assert_ok (activity_add (txn, home->arena, &note, &home->err), home->err);
    }
    assert_ok (store_commit (&txn, &home->err), home->err);
}

static size_t
s_trim (home_t *home, int64_t before_ms, size_t most, int64_t *ret_oldest_ms)
{
    store_txn_t *txn;
    size_t removed;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    assert_ok (activity_trim (txn, home->arena, before_ms, most, &removed, ret_oldest_ms,
                              &home->err), home->err);
    assert_ok (store_commit (&txn, &home->err), home->err);
    return removed;
}

static activity_verdict_t
s_verify (home_t *home, const char *company, uint64_t after, size_t most)
{
    store_txn_t *txn;
    activity_verdict_t verdict;
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    assert_ok (activity_verify (txn, company, after, most, &verdict, &home->err), home->err);
    store_txn_destroy (&txn);
    return verdict;
}

static activity_head_t
s_end (home_t *home, const char *company)
{
    store_txn_t *txn;
    activity_head_t head;
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    assert_ok (activity_end (txn, home->arena, company, &head, &home->err), home->err);
    store_txn_destroy (&txn);
    return head;
}

static uint64_t
s_entries (home_t *home, store_db_t db)
{
    store_txn_t *txn;
    MDB_stat stat;
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    assert_int_equal (mdb_stat (txn->txn, store_dbi (txn, db), &stat), 0);
    store_txn_destroy (&txn);
    return stat.ms_entries;
}

//  ---- trimming

static void
test_trim (void **state)
{
    home_t *home = *state;
    int64_t oldest_ms;
    enum { ADDED = FINDER_LAG + 36 };
    s_add (home, 0, ADDED);
    assert_int_equal (s_trim (home, 0, 10, &oldest_ms), 0);         //  Nothing is older
    assert_int_equal (oldest_ms, 0);
    assert_int_equal (s_trim (home, 60000, 10, &oldest_ms), 10);    //  A part at a time
    assert_int_equal (oldest_ms, 10000);
    assert_int_equal (s_end (home, "acme").floor, 6);
    assert_int_equal (s_trim (home, 60000, 1000, &oldest_ms), 50);
    assert_int_equal (oldest_ms, 60000);
    activity_head_t head = s_end (home, "acme");
    assert_int_equal (head.floor, 31);
    assert_int_equal (head.company_seq, ADDED / 2);
    assert_int_equal (s_entries (home, DB_ACTIVITY), ADDED - 60);
    assert_int_equal (s_entries (home, DB_HEADS), ADDED - 60);
    //  Of the entries that it led to by then, the rest is left
    assert_int_equal (s_entries (home, DB_FINDER), 3 * (FINDER_LAG - 60));
    s_add (home, ADDED, FINDER_LAG);
    assert_int_equal (s_entries (home, DB_FINDER), 3 * (2 * FINDER_LAG - 60));
}

//  Numbers and chain go on where nothing is left of a company's log.
static void
test_nothing_is_left (void **state)
{
    home_t *home = *state;
    int64_t oldest_ms;
    s_add (home, 0, 20);
    activity_head_t before = s_end (home, "acme");
    assert_int_equal (s_trim (home, INT64_MAX, 1000, &oldest_ms), 20);
    assert_true (oldest_ms == INT64_MAX);
    activity_head_t head = s_end (home, "acme");
    assert_int_equal (head.company_seq, 10);
    assert_int_equal (head.floor, 0);
    assert_bytes (head.hash, before.hash);
    assert_int_equal (s_verify (home, "acme", 0, 100).next, 10);
    s_add (home, 20, 2);
    head = s_end (home, "acme");
    assert_int_equal (head.company_seq, 11);
    assert_int_equal (head.floor, 11);
    activity_verdict_t verdict = s_verify (home, "acme", 0, 100);
    assert_false (verdict.broken);
    assert_int_equal (verdict.looked_at, 1);
    assert_int_equal (s_entries (home, DB_FLOORS), 2);
}

//  ---- verifying

static void
test_whole (void **state)
{
    home_t *home = *state;
    int64_t oldest_ms;
    s_add (home, 0, 100);
    activity_verdict_t verdict = s_verify (home, "acme", 0, 20);
    assert_int_equal (verdict.looked_at, 20);
    assert_int_equal (verdict.next, 20);
    assert_false (verdict.broken);
    verdict = s_verify (home, "acme", verdict.next, 100);
    assert_int_equal (verdict.looked_at, 30);
    assert_int_equal (verdict.next, 50);
    assert_false (verdict.broken);
    assert_int_equal (s_verify (home, "nobody", 0, 100).next, 0);
    //  From a floor: the anchor is what stood before it.
    s_trim (home, 30000, 1000, &oldest_ms);
    verdict = s_verify (home, "acme", 0, 100);
    assert_false (verdict.broken);
    assert_int_equal (verdict.looked_at, 35);
    verdict = s_verify (home, "acme", 4, 100);
    assert_false (verdict.broken);
    assert_int_equal (verdict.looked_at, 35);
}

//  Writes over the packed entry of a seq, as if with a tool.
static void
s_overwrite (home_t *home, uint64_t seq, berth_bytes_t packed)
{
    store_txn_t *txn;
    store_key_t key = { 0 };
    key_up (&key, seq);
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    if (packed.size)
        assert_ok (store_raw_put (txn, DB_ACTIVITY, &key, packed, &home->err), home->err);
    else
        assert_ok (store_raw_del (txn, DB_ACTIVITY, &key, &home->err), home->err);
    assert_ok (store_commit (&txn, &home->err), home->err);
}

static activity_t
s_entry (home_t *home, uint64_t seq)
{
    store_txn_t *txn;
    activity_t row;
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    assert_int_equal (activity_at (txn, home->arena, seq, &row, NULL, &home->err), 0);
    store_txn_destroy (&txn);
    return row;
}

#define assert_names(verdict, wanted_company_seq, wanted_seq)                                      \
    do {                                                                                           \
        assert_true ((verdict).broken);                                                            \
        assert_int_equal ((verdict).company_seq, wanted_company_seq);                              \
        assert_int_equal ((verdict).seq, wanted_seq);                                              \
        assert_true (strlen ((verdict).why) > 0);                                                  \
    } while (0)

static void
test_changed_entry (void **state)
{
    home_t *home = *state;
    s_add (home, 0, 100);
    activity_t row = s_entry (home, 41);            //  acme's 21st
    row.actor_id = "somebody else";
    s_overwrite (home, 41, berth_pack (&activity_schema, &row, home->arena));
    assert_names (s_verify (home, "acme", 0, 100), 21, 41);
    assert_names (s_verify (home, "acme", 20, 100), 21, 41);
    assert_false (s_verify (home, "other", 0, 100).broken);
    //  With a hash that fits, the next one does not.
    uint8_t hash [32];
    activity_hash (&row, s_entry (home, 39).hash.data, home->arena, hash);
    row.hash = (berth_bytes_t) { hash, sizeof hash };
    s_overwrite (home, 41, berth_pack (&activity_schema, &row, home->arena));
    assert_names (s_verify (home, "acme", 0, 100), 22, 43);
}

static void
test_other_damage (void **state)
{
    home_t *home = *state;
    s_add (home, 0, 100);
    s_overwrite (home, 90, BYTES_OF ("\xc1 no entry"));
    assert_names (s_verify (home, "other", 0, 100), 45, 90);
    s_overwrite (home, 80, (berth_bytes_t) { NULL, 0 });
    assert_names (s_verify (home, "other", 0, 100), 40, 80);
    activity_t row = s_entry (home, 2);             //  Another's entry in its place
    s_overwrite (home, 70, berth_pack (&activity_schema, &row, home->arena));
    assert_names (s_verify (home, "other", 0, 100), 35, 70);
    //  A number that is left out, and a beginning that was cut off without a floor.
    store_txn_t *txn;
    store_key_t key = { 0 }, first = { 0 };
    key_text (&key, "other");
    first = key;
    key_up (&key, 20);
    key_up (&first, 1);
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    assert_ok (store_raw_del (txn, DB_HEADS, &key, &home->err), home->err);
    assert_ok (store_commit (&txn, &home->err), home->err);
    assert_names (s_verify (home, "other", 0, 100), 20, 0);
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    assert_ok (store_raw_del (txn, DB_HEADS, &first, &home->err), home->err);
    assert_ok (store_commit (&txn, &home->err), home->err);
    assert_names (s_verify (home, "other", 0, 100), 1, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, home_setup, home_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_trim), TEST (test_nothing_is_left), TEST (test_whole),
        TEST (test_changed_entry), TEST (test_other_damage),
    };
    return cmocka_run_group_tests_name ("activity_keep", tests, NULL, NULL);
}

//  lease_stage.h - a stage with the leases actor on it, an environment of each kind, and the
//  provider's answers.

#ifndef BERTH_LEASE_STAGE_H_INCLUDED
#define BERTH_LEASE_STAGE_H_INCLUDED

#include "stage.h"

#include "leases.h"

#define LOCAL "11111111-1111-7111-8111-111111111111"
#define BOX   "22222222-2222-7222-8222-222222222222"
#define SPACE "33333333-3333-7333-8333-333333333333"
#define KEPT  "44444444-4444-7444-8444-444444444444"

//  The stage of the running test.
extern stage_t *lease_stage;

int lease_stage_setup (void **state);
int lease_stage_teardown (void **state);
#define LEASE_TEST(name)                                                                           \
    cmocka_unit_test_setup_teardown (name, lease_stage_setup, lease_stage_teardown)

//  Another process on the same store; it has not started yet.
void lease_stage_restart (stage_t *stage);

#define ASK(...) arena_printf (stage->arena, __VA_ARGS__)

//  What the last batch sent to a provider, or NULL.
const stage_sent_t *lease_sent (stage_t *stage, request_code_t type);

lease_t lease_row (stage_t *stage, const char *id);
#define assert_state(stage, id, wanted)                                                            \
    assert_string_equal (berth_enum_text (&lease_state_enum, (int) lease_row (stage, id).state),   \
                         wanted)

//  The answer to a ticket: a failure; or is there one, and is it no failure?
berth_error_t lease_error (stage_t *stage, uint64_t ticket);
bool lease_answered (stage_t *stage, uint64_t ticket);

//  A lease on the sandbox whose place is opening: the letter that opens it. An active one: its id.
letter_t lease_opening (stage_t *stage, const char *more, uint64_t *ret_ticket);
const char *lease_active (stage_t *stage, const char *more);
//  A name of a place that no lease has yet: "bubblewrap:x" for the first.
const char *lease_fresh_name (stage_t *stage);

extern const char *const lease_refused, *const lease_timed_out;

//  Answers the close that was sent by the last batch.
void lease_closed (stage_t *stage, bool ok);
uint64_t lease_ask_release (stage_t *stage, const char *id);

#endif

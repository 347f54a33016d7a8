//  test_selection.c - which environment a run uses: every level absent, null or named.

#include "stage.h"

#include "codec.h"
#include "runs.h"
#include "selection.h"

#define W "11111111-1111-7111-8111-111111111111"
#define I "22222222-2222-7222-8222-222222222222"
#define P "33333333-3333-7333-8333-333333333333"
#define A "44444444-4444-7444-8444-444444444444"
#define D "55555555-5555-7555-8555-555555555555"
#define S "66666666-6666-7666-8666-666666666666"

static int
s_setup (void **state)
{
    *state = stage_new ();
    return 0;
}

static int
s_teardown (void **state)
{
    stage_destroy ((stage_t **) state);
    return 0;
}

//  "level:outcome ..." of all levels.
static const char *
s_levels (stage_t *stage, const selection_t *selection)
{
    const char *text = "";
    for (size_t index = 0; index < selection->count; index++)
        text = arena_printf (stage->arena, "%s%s%s:%s", text, index ? " " : "",
                             selection->levels [index].level, selection->levels [index].outcome);
    return text;
}

static void
test_levels (void **state)
{
    stage_t *stage = *state;
    static const struct {
        const char *levels, *persisted, *level, *env, *outcomes;
        bool is_default;
    } cases [] = {
        { "{}", NULL, "default", NULL,
          "persisted:absent workspace:absent issue:absent project:absent agent:absent default:selected",
          true },
        { "{'workspace':'" W "','issue':'" I "'}", NULL, "workspace", W,
          "persisted:absent workspace:selected issue:not_reached project:not_reached "
          "agent:not_reached default:not_reached", false },
        { "{'issue':'" I "','project':'" P "'}", NULL, "issue", I,
          "persisted:absent workspace:absent issue:selected project:not_reached agent:not_reached "
          "default:not_reached", false },
        { "{'project':'" P "','agent':'" A "'}", NULL, "project", P,
          "persisted:absent workspace:absent issue:absent project:selected agent:not_reached "
          "default:not_reached", false },
        { "{'agent':'" A "'}", NULL, "agent", A,
          "persisted:absent workspace:absent issue:absent project:absent agent:selected "
          "default:not_reached", false },
        //  null stops: the company's default, whatever the levels below say
        { "{'workspace':null,'issue':'" I "'}", NULL, "default", NULL,
          "persisted:absent workspace:null issue:not_reached project:not_reached agent:not_reached "
          "default:selected", true },
        { "{'issue':null,'agent':'" A "'}", NULL, "default", NULL,
          "persisted:absent workspace:absent issue:null project:not_reached agent:not_reached "
          "default:selected", true },
        { "{'project':null,'agent':'" A "'}", NULL, "default", NULL,
          "persisted:absent workspace:absent issue:absent project:null agent:not_reached "
          "default:selected", true },
        //  but the agent's is passed over
        { "{'agent':null}", NULL, "default", NULL,
          "persisted:absent workspace:absent issue:absent project:absent agent:null default:selected",
          true },
        //  a persisted workspace's own config wins over all
        { "{'workspace':'" W "'}", S, "persisted", S,
          "persisted:selected workspace:not_reached issue:not_reached project:not_reached "
          "agent:not_reached default:not_reached", false },
        { "{'workspace':null}", S, "persisted", S,
          "persisted:selected workspace:not_reached issue:not_reached project:not_reached "
          "agent:not_reached default:not_reached", false },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++)
        for (int has_default = 0; has_default < 2; has_default++) {
            berth_error_t err = { 0 };
            run_selection_t levels = { 0 };
            selection_t selection;
            assert_ok (berth_unpack (&run_selection_schema,
                                     stage_pack (stage, cases [index].levels), stage->arena, &levels,
                                     &err), err);
            selection_of (&levels, NULL, has_default ? D : NULL, cases [index].persisted, &selection);
            assert_string_equal (selection.level, cases [index].level);
            const char *env = cases [index].env ? cases [index].env : has_default ? D : NULL;
            if (env)
                assert_string_equal (selection.env, env);
            else
                assert_null (selection.env);
            assert_string_equal (s_levels (stage, &selection), cases [index].outcomes);
            assert_int_equal (selection.is_default, cases [index].is_default);
        }
}

//  What the platform selected itself; the default's own id is the default.
static void
test_selected (void **state)
{
    stage_t *stage = *state;
    selection_t selection;
    selection_of (NULL, S, D, NULL, &selection);
    assert_string_equal (selection.env, S);
    assert_string_equal (selection.level, "selected");
    assert_false (selection.is_default);
    assert_string_equal (s_levels (stage, &selection),
                         "persisted:absent selected:selected default:not_reached");
    selection_of (NULL, D, D, NULL, &selection);
    assert_string_equal (selection.env, D);
    assert_true (selection.is_default);
    selection_of (NULL, NULL, D, NULL, &selection);
    assert_string_equal (selection.env, D);
    assert_string_equal (selection.level, "default");
    assert_true (selection.is_default);
    selection_of (NULL, NULL, NULL, NULL, &selection);
    assert_null (selection.env);
    assert_string_equal (selection.level, "default");
    assert_true (selection.is_default);
}

//  A workspace's own environment wins, unless that is deleted: then it counts as not named.
static void
test_persisted (void **state)
{
    stage_t *stage = *state;
    berth_error_t why = { 0 };
    runs_t *runs = runs_new (&stage->context, &why);
    stage->actor = runs_kit (runs);
    stage_put_environment (stage, D, "{}");
    stage_put_environment (stage, P, "{'driver':'sandbox','config':{'provider':'bubblewrap'}}");
    static const struct { const char *named, *env, *level; } cases [] = {
        { P, P, "persisted" }, { A, D, "selected" },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        berth_error_t err = { 0 };
        const char *metadata = arena_printf (stage->arena, "{'config':{'environmentId':'%s'}}", cases [index].named);
        workspace_t row = {
            .id = W, .company = "acme", .mode = workspace_mode_ISOLATED,
            .strategy = workspace_strategy_PROJECT_PRIMARY, .name = "w", .status = workspace_status_ACTIVE,
            .provider = workspace_provider_LOCAL_FS, .last_used_at = 1, .opened_at = 1, .created_at = 1,
            .updated_at = 1, .metadata = stage_pack (stage, metadata),
        };
        store_txn_t *txn;
        assert_ok (store_begin (stage->store, &txn, &err), err);
        assert_ok (workspace_put (txn, stage->arena, &row, &err), err);
        assert_ok (store_commit (&txn, &err), err);
        berth_bytes_t body = stage_ok (stage, REQUEST_RUN_RESOLVE, "{'companyId':'acme',"
            "'selectedEnvironmentId':'" D "','executionWorkspaceId':'" W "'}");
        assert_string_equal (stage_text (stage, body, "environment.id"), cases [index].env);
        assert_string_equal (stage_text (stage, body, "selectedBy"), cases [index].level);
    }
    runs_destroy (&runs);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests [] = { TEST (test_persisted), TEST (test_levels), TEST (test_selected) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}

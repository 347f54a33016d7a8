//  provider_contract.c - what every provider of the list must pass, by what it says it can.

#include "place_fixture.h"
#include "sshd_fixture.h"

#include "clock.h"
#include "codec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

//  In our own environment, and with our pid in it: another run of this contract may go on beside.
static char s_leak [64];

//  The host of driver ssh, while its tests run.
static sshd_t s_sshd;

static bool
s_can (const house_t *house, unsigned what)
{
    return (house->provider->can & what) == what;
}

static int
s_setup (void **state)
{
    house_t *house = calloc (1, sizeof *house);
    assert_non_null (house);
    const char *provider = *state;
    house_open (house, provider);
    if (strcmp (provider, "ssh") == 0) {
        sshd_open (&s_sshd, "");
        house->config = sshd_config (&s_sshd, "");
    }
    *state = house;
    return 0;
}

static int
s_teardown (void **state)
{
    house_t *house = *state;
    if (house->config)
        sshd_close (&s_sshd);
    house_close (house);
    free (house);
    return 0;
}

//  ---------------------------------------------------------------------------------------------
//  Config and probe

static void
s_wrong_config_names_its_field (void **state)
{
    house_t *house = *state;
    berth_error_t err = { 0 };
    berth_bytes_t normal;
    if (!(house->provider->config->flags & SCHEMA_STRICT)) {
        //  Anything passes, and is kept.
        berth_bytes_t any = any_set_text (berth_empty_map, "no-such", "x", house->arena);
        assert_ok (provider_check_config (house->provider, house->self, any, house->arena, &normal,
                                          &err), err);
        assert_true (any_equal (any, normal));
        return;
    }
    berth_bytes_t right = house_ask (house, NULL).config;
    berth_bytes_t odd = any_set_number (right, "no-such", 1, house->arena);
    assert_fails (provider_check_config (house->provider, NULL, odd, house->arena, &normal, &err),
                  err, BERTH_INVALID);
    assert_string_equal (err.field, "config.no-such");
    for (size_t index = 0; index < house->provider->config->count; index++) {
        const berth_field_t *field = &house->provider->config->fields [index];
        err = (berth_error_t) { 0 };
        odd = any_set_text (right, field->name, "no such thing", house->arena);
        if (field->kind == KIND_STR)
            odd = any_set_number (right, field->name, 7, house->arena);
        assert_fails (provider_check_config (house->provider, house->self, odd, house->arena,
                                             &normal, &err), err, BERTH_INVALID);
        const char *path = arena_printf (house->arena, "config.%s", field->name);
        assert_string_equal (err.field, path);
    }
    //  The name of the provider is not its own business, and stays.
    odd = any_set_text (right, "provider", house->provider->name, house->arena);
    assert_ok (provider_check_config (house->provider, house->self, odd, house->arena, &normal,
                                      &err), err);
    assert_string_equal (any_text (normal, "provider", house->arena), house->provider->name);
}

static void
s_probe_answers (void **state)
{
    house_t *house = *state;
    berth_error_t err = { 0 };
    probe_result_t result = { 0 };
    place_probe_t ask = { .driver = "sandbox", .config = house_ask (house, NULL).config };
    assert_ok (house->provider->probe (house->self, &ask, soon (30000), house->arena, &result,
                                       &err), err);
    if (!result.ok)
        fail_msg ("%s", result.summary);
    assert_true (result.summary [0] != 0);
    if (s_can (house, PROVIDER_CAN_LIST))
        assert_string_equal (house_places (house), "");
}

//  ---------------------------------------------------------------------------------------------
//  Opening and closing

static void
s_acquire_twice_is_one_place (void **state)
{
    house_t *house = *state;
    place_open_t ask = house_ask (house, NULL);
    place_opened_t first = house_acquire (house, &ask);
    place_opened_t again = house_acquire (house, &ask);
    assert_string_equal (first.provider_lease, again.provider_lease);
    assert_true (any_equal (first.metadata, again.metadata));
    if (s_can (house, PROVIDER_CAN_EXECUTE)) {
        shim_message_t one, two;
        assert_true (house_hello (house, &first, &one));
        house_reopen (house);
        again = house_acquire (house, &ask);
        assert_true (house_hello (house, &again, &two));
        assert_int_equal (one.pid, two.pid);
        assert_int_equal (two.generation, ask.generation);
    }
    house_release (house, &ask, &again);
}

static void
s_what_is_gone_is_released (void **state)
{
    house_t *house = *state;
    berth_error_t err = { 0 };
    place_open_t never = house_ask (house, NULL);
    house_release (house, &never, NULL);
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    house_release (house, &ask, &place);
    house_release (house, &ask, &place);
    place_close_t closing = house_closing (&ask, &place);
    closing.destroy = true;
    assert_ok (house->provider->destroy (house->self, &closing, soon (10000), &err), err);
    if (s_can (house, PROVIDER_CAN_LIST))
        assert_string_equal (house_places (house), "");
}

static void
s_failing_acquire_leaves_nothing (void **state)
{
    house_t *house = *state;
    if (!s_can (house, PROVIDER_CAN_EXECUTE))
        return;
    berth_error_t err = { 0 };
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = { 0 };
    int64_t started_ms = berth_mono_ms ();
    assert_fails (house->provider->acquire (house->self, &ask, soon (-1), house->arena, &place,
                                            &err), err, BERTH_PROVIDER_TIMEOUT);
    assert_true (berth_mono_ms () - started_ms < 5000);
    assert_null (place.provider_lease);
    assert_string_equal (house_places (house), "");
    //  And the same lease may be asked for again.
    place = house_acquire (house, &ask);
    house_release (house, &ask, &place);
}

static void
s_a_dead_shim_is_replaced (void **state)
{
    house_t *house = *state;
    if (!s_can (house, PROVIDER_CAN_EXECUTE))
        return;
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    shim_message_t hello, fresh;
    assert_true (house_hello (house, &place, &hello));
    assert_int_equal (kill ((pid_t) hello.pid, SIGKILL), 0);
    place_opened_t again = house_acquire (house, &ask);
    assert_true (house_hello (house, &again, &fresh));
    assert_int_not_equal (hello.pid, fresh.pid);
    assert_string_equal (house_text (house, &again, "echo back"), "back\n");
    house_release (house, &ask, &again);
    assert_string_equal (house_places (house), "");
}

static void
s_a_stuck_shim_is_ended (void **state)
{
    house_t *house = *state;
    if (!s_can (house, PROVIDER_CAN_EXECUTE))
        return;
    berth_error_t err = { 0 };
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    shim_message_t hello;
    assert_true (house_hello (house, &place, &hello));
    assert_int_equal (kill ((pid_t) hello.pid, SIGSTOP), 0);
    place_close_t closing = house_closing (&ask, &place);
    int64_t started_ms = berth_mono_ms ();
    assert_ok (house->provider->release (house->self, &closing, soon (2000), &err), err);
    assert_true (berth_mono_ms () - started_ms < 4000);
    assert_string_equal (house_places (house), "");
    //  A zombie of the spawner's at most
    char line [64], path [64];
    snprintf (path, sizeof path, "/proc/%d/cmdline", (int) hello.pid);
    FILE *file = fopen (path, "re");
    assert_true (!file || fread (line, 1, sizeof line, file) == 0);
    if (file)
        fclose (file);
}

static void
s_resume_takes_up_or_is_lost (void **state)
{
    house_t *house = *state;
    if (!s_can (house, PROVIDER_CAN_RESUME) || !s_can (house, PROVIDER_CAN_EXECUTE))
        return;
    berth_error_t err = { 0 };
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask), again = { 0 };
    place_open_t next = house_ask (house, NULL);
    berth_put (place_open, &next, generation, 8);
    assert_ok (house->provider->resume (house->self, &next, place.provider_lease, soon (10000),
                                        house->arena, &again, &err), err);
    assert_string_equal (place.provider_lease, again.provider_lease);
    shim_message_t hello;
    assert_true (house_hello (house, &again, &hello));
    assert_int_equal (hello.generation, 8);
    house_release (house, &next, &again);
    assert_string_equal (house_places (house), "");
    assert_fails (house->provider->resume (house->self, &next, place.provider_lease, soon (10000),
                                           house->arena, &again, &err), err, BERTH_NOT_FOUND);
}

typedef struct {
    const char *key;
    unsigned found;
    const char *lease, *company, *run;
    arena_t *arena;
} seen_t;

static int
s_see (void *context, const char *provider_lease, berth_bytes_t labels)
{
    seen_t *seen = context;
    if (strcmp (provider_lease, seen->key) == 0) {
        seen->found++;
        seen->lease = any_text (labels, "lease", seen->arena);
        seen->company = any_text (labels, "company", seen->arena);
        seen->run = any_text (labels, "run", seen->arena);
    }
    return 0;
}

static void
s_list_shows_labels (void **state)
{
    house_t *house = *state;
    if (!s_can (house, PROVIDER_CAN_LIST))
        return;
    berth_error_t err = { 0 };
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    seen_t seen = { .key = place.provider_lease, .arena = house->arena };
    assert_ok (house->provider->list (house->self, s_see, &seen, soon (10000), &err), err);
    assert_int_equal (seen.found, 1);
    assert_string_equal (seen.lease, ask.lease);
    assert_string_equal (seen.company, "acme");
    assert_string_equal (seen.run, "run-1");
    house_release (house, &ask, &place);
    seen.found = 0;
    assert_ok (house->provider->list (house->self, s_see, &seen, soon (10000), &err), err);
    assert_int_equal (seen.found, 0);
    //  A record that cannot be read: unknown is not empty.
    const char *folder = arena_printf (house->arena, "%s/places/%s", house->host.state, ask.lease);
    assert_int_equal (mkdir (folder, 0700), 0);
    file_put (fixture_path (house->arena, folder, "place.msgpack"), "torn");
    assert_fails (house->provider->list (house->self, s_see, &seen, soon (10000), &err), err,
                  BERTH_PROVIDER_ERROR);
    //  It does not stand in the way of its own lease.
    house_release (house, &ask, &place);
    assert_string_equal (house_places (house), "");
    assert_int_equal (mkdir (folder, 0700), 0);
    file_put (fixture_path (house->arena, folder, "place.msgpack"), "");
    place = house_acquire (house, &ask);
    house_release (house, &ask, &place);
    assert_string_equal (house_places (house), "");
}

//  ---------------------------------------------------------------------------------------------
//  What runs there

//  Closed with its files kept, then taken up for another lease, and once more: the files are there,
//  what ran is not, and its label names the new holder.
static void
s_a_kept_place_serves_the_next (void **state)
{
    house_t *house = *state;
    if (!s_can (house, PROVIDER_CAN_REUSE | PROVIDER_CAN_EXECUTE))
        return;
    berth_error_t err = { 0 };
    place_open_t ask = house_ask (house, NULL);
    const char *entry = arena_printf (house->arena, "CENSUS=%s", ask.lease);
    place_opened_t place = house_acquire (house, &ask);
    (void) house_text (house, &place, arena_printf (house->arena,
                       "echo behind >~/left; env %s sh -c 'tail -f /dev/null & echo >~/up; wait'"
                       " </dev/null >/dev/null 2>&1 & until [ -e ~/up ]; do :; done", entry));
    assert_true (census (entry) > 0);
    place_close_t closing = house_closing (&ask, &place);
    berth_put (place_close, &closing, keep_files, true);
    for (unsigned round = 0; round < 2; round++)        //  Asked twice, it is the same
        assert_ok (house->provider->release (house->self, &closing, soon (10000), &err), err);
    assert_int_equal (census (entry), 0);
    shim_message_t hello;
    assert_false (house_hello (house, &place, &hello));
    for (uint64_t generation = 8; generation < 10; generation++) {
        house_reopen (house);
        place_open_t next = house_ask (house, NULL);
        place_opened_t again = { 0 };
        next.env = ask.env;
        next.run = "run-2";
        berth_put (place_open, &next, generation, generation);
        for (unsigned round = 0; round < 2; round++)
            assert_ok (house->provider->resume (house->self, &next, place.provider_lease,
                                                soon (20000), house->arena, &again, &err), err);
        assert_string_equal (place.provider_lease, again.provider_lease);
        assert_true (house_hello (house, &again, &hello));
        assert_int_equal (hello.generation, generation);
        assert_string_equal (house_text (house, &again, "cat ~/left"), "behind\n");
        seen_t seen = { .key = place.provider_lease, .arena = house->arena };
        assert_ok (house->provider->list (house->self, s_see, &seen, soon (10000), &err), err);
        assert_string_equal (seen.lease, next.lease);
        assert_string_equal (seen.run, "run-2");
        closing = house_closing (&next, &again);
        berth_put (place_close, &closing, keep_files, true);
        assert_ok (house->provider->release (house->self, &closing, soon (10000), &err), err);
    }
    closing.keep_files = false;
    berth_put (place_close, &closing, destroy, true);
    assert_ok (house->provider->destroy (house->self, &closing, soon (10000), &err), err);
    assert_string_equal (house_places (house), "");
}

static void
s_nothing_is_inherited (void **state)
{
    house_t *house = *state;
    if (!s_can (house, PROVIDER_CAN_EXECUTE))
        return;
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    const char *env = house_text (house, &place, "env");
    assert_null (strstr (env, "BERTH_"));
    assert_non_null (strstr (env, "PATH="));
    assert_non_null (strstr (env, "HOME="));
    //  Three, and the folder that ls lists.
    assert_string_equal (house_text (house, &place, "exec ls /proc/self/fd"), "0\n1\n2\n3\n");
    //  No shim, no walls, no init. (The spawner is our fork, and a shim for a moment is its.)
    assert_int_equal (census (s_leak), 0);
    house_release (house, &ask, &place);
}

static void
s_release_ends_everything (void **state)
{
    house_t *house = *state;
    if (!s_can (house, PROVIDER_CAN_EXECUTE))
        return;
    place_open_t ask = house_ask (house, NULL);
    const char *entry = arena_printf (house->arena, "CENSUS=%s", ask.lease);
    environment_policy_t policy = {
        .env = any_set_text (berth_empty_map, "CENSUS", ask.lease, house->arena)
    };
    berth_put (environment_policy, &policy, env, policy.env);
    ask.policy = &policy;
    place_opened_t place = house_acquire (house, &ask);
    assert_int_equal (census (entry), 0);
    //  Each says when it stands: in the middle of an exec a process has no environment.
    (void) house_text (house, &place,
                       "d=$(mktemp -d); mkfifo $d/up; exec 3<>$d/up; for n in 1 2 3; do"
                       " setsid sh -c 'trap \"\" TERM HUP; tail -f /dev/null & echo; wait'"
                       " </dev/null >&3 2>/dev/null 3>&- & done;"
                       " for n in 1 2 3; do read x <&3; done; rm -r $d");
    assert_true (census (entry) >= 3);
    //  They live on from one exec to the next.
    (void) house_text (house, &place, "true");
    assert_true (census (entry) >= 3);
    house_release (house, &ask, &place);
    assert_int_equal (census (entry), 0);
    shim_message_t hello;
    assert_false (house_hello (house, &place, &hello));
    assert_string_equal (house_places (house), "");
}

static void
s_files_go_and_come (void **state)
{
    house_t *house = *state;
    if (!s_can (house, PROVIDER_CAN_SYNC_IN | PROVIDER_CAN_SYNC_OUT))
        return;
    berth_error_t err = { 0 };
    arena_t *arena = house->arena;
    const char *source = fixture_path (arena, house->folder, "source");
    assert_int_equal (mkdir (source, 0755), 0);
    assert_int_equal (mkdir (fixture_path (arena, source, "sub"), 0755), 0);
    file_put (fixture_path (arena, source, "a"), "one\n");
    file_put (fixture_path (arena, source, "sub/b"), "two\n");
    assert_int_equal (symlink ("sub/b", fixture_path (arena, source, "link")), 0);

    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    place_realize_t realize = {
        .lease = ask.lease, .provider_lease = place.provider_lease, .metadata = place.metadata,
        .source = { (const uint8_t *) source, strlen (source) }
    };
    place_realized_t realized = { 0 };
    for (unsigned round = 0; round < 2; round++)        //  Asked twice, it is the same
        assert_ok (house->provider->realize (house->self, &realize, NULL, NULL, soon (20000), arena,
                                             &realized, &err), err);
    const char *cwd = arena_text (arena, (const char *) realized.cwd.data, realized.cwd.size);
    const char *script = arena_printf (arena, "cd %s && cat a link && echo more >>a && echo new >n "
                                       "&& rm sub/b link && ls", cwd);
    assert_string_equal (house_text (house, &place, script), "one\ntwo\na\nn\nsub\n");

    place_return_t give = {
        .lease = ask.lease, .provider_lease = place.provider_lease, .metadata = place.metadata,
        .target = realize.source
    };
    workspace_returned_t returned = { 0 };
    assert_ok (house->provider->give_back (house->self, &give, NULL, NULL, soon (20000), arena,
                                           &returned, &err), err);
    assert_string_equal (file_text (house, fixture_path (arena, source, "a")), "one\nmore\n");
    assert_string_equal (file_text (house, fixture_path (arena, source, "n")), "new\n");
    assert_string_equal (file_text (house, fixture_path (arena, source, "sub/b")), "ENOENT");
    if (!house->provider->opens_nothing) {
        assert_int_equal (realized.files, 2);
        assert_int_equal (returned.added, 1);
        assert_int_equal (returned.changed, 1);
        assert_true (returned.changes.count >= 3);
    }
    realize.source = (berth_bytes_t) BYTES_OF ("/no/such/folder");
    assert_fails (house->provider->realize (house->self, &realize, NULL, NULL, soon (20000), arena,
                                            &realized, &err), err, BERTH_NOT_FOUND);
    realize.source = (berth_bytes_t) BYTES_OF ("relative");
    assert_fails (house->provider->realize (house->self, &realize, NULL, NULL, soon (20000), arena,
                                            &realized, &err), err, BERTH_INVALID);
    house_release (house, &ask, &place);
}

//  ---------------------------------------------------------------------------------------------
//  Many at once

enum { THREADS = 8, ROUNDS = 4 };

typedef struct {
    house_t *house;
    place_open_t asks [ROUNDS];
    pthread_t thread;
    berth_error_t err;
    unsigned done;
} worker_t;

static void *
s_work (void *argument)
{
    worker_t *self = argument;
    const provider_t *provider = self->house->provider;
    arena_t *arena = arena_new ();
    for (unsigned round = 0; round < ROUNDS; round++) {
        place_opened_t place = { 0 };
        if (provider->acquire (self->house->self, &self->asks [round], soon (60000), arena, &place,
                               &self->err))
            break;
        place_close_t closing = house_closing (&self->asks [round], &place);
        if (provider->release (self->house->self, &closing, soon (60000), &self->err))
            break;
        self->done++;
        arena_clear (arena);
    }
    arena_destroy (&arena);
    return NULL;
}

static void
s_many_at_once (void **state)
{
    house_t *house = *state;
    static worker_t workers [THREADS];
    for (unsigned index = 0; index < THREADS; index++) {
        worker_t *worker = &workers [index];
        *worker = (worker_t) { .house = house };
        //  Two by two they ask for the same lease: one place, and no harm.
        for (unsigned round = 0; round < ROUNDS; round++)
            worker->asks [round] = index % 2 ? workers [index - 1].asks [round]
                                             : house_ask (house, NULL);
    }
    for (unsigned index = 0; index < THREADS; index++)
        assert_int_equal (pthread_create (&workers [index].thread, NULL, s_work, &workers [index]),
                          0);
    for (unsigned index = 0; index < THREADS; index++) {
        assert_int_equal (pthread_join (workers [index].thread, NULL), 0);
        if (workers [index].done != ROUNDS)
            fail_msg ("%s (%s)", workers [index].err.text, workers [index].err.cause);
    }
    if (s_can (house, PROVIDER_CAN_LIST))
        assert_string_equal (house_places (house), "");
}

//  ---------------------------------------------------------------------------------------------

#define TEST(function) { #function, function }
static const struct {
    const char *name;
    CMUnitTestFunction run;
} s_contract [] = {
    TEST (s_wrong_config_names_its_field),
    TEST (s_probe_answers),
    TEST (s_acquire_twice_is_one_place),
    TEST (s_what_is_gone_is_released),
    TEST (s_failing_acquire_leaves_nothing),
    TEST (s_a_dead_shim_is_replaced),
    TEST (s_a_stuck_shim_is_ended),
    TEST (s_resume_takes_up_or_is_lost),
    TEST (s_list_shows_labels),
    TEST (s_a_kept_place_serves_the_next),
    TEST (s_nothing_is_inherited),
    TEST (s_release_ends_everything),
    TEST (s_files_go_and_come),
    TEST (s_many_at_once)
};

int
main (int argc, char **argv)
{
    static struct CMUnitTest tests [256];
    static char names [256][80];
    //  Ours, and so nobody else's: started anew with it in our environment, as a service would.
    snprintf (s_leak, sizeof s_leak, "BERTH_CONTRACT_LEAK=%d", (int) getpid ());
    if (!getenv ("BERTH_CONTRACT_LEAK")) {
        (void) putenv (s_leak);
        execv ("/proc/self/exe", argv);
        return 1;
    }
    //  And a descriptor that anybody could inherit.
    if (open ("/dev/null", O_RDONLY) < 0)
        return 1;
    size_t count = 0;
    const provider_t *provider;
    const char *why;
    for (size_t index = 0; (provider = provider_at (index)); index++) {
        if (strcmp (provider->name, "ssh") == 0 && !sshd_is_there (&why)) {
            print_message ("ssh is not tried: %s\n", why);
            continue;
        }
        for (size_t test = 0; test < BERTH_COUNT (s_contract); test++) {
            snprintf (names [count], sizeof names [count], "%s %s", provider->name,
                      s_contract [test].name);
            if (argc > 1 && !strstr (names [count], argv [1]))
                continue;
            tests [count] = (struct CMUnitTest) {
                names [count], s_contract [test].run, s_setup, s_teardown,
                (void *) (uintptr_t) provider->name
            };
            count++;
        }
    }
    return _cmocka_run_group_tests ("provider_contract", tests, count, NULL, NULL);
}

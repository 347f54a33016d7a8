//  test_ssh.c - owns what driver ssh promises beyond the contract, against real sshd processes.
//
//  timeout: 300

#include "ssh_yard.h"

#include "codec.h"

#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void
s_probe_tells (void **state)
{
    yard_t *yard = *state;
    house_t *house = &yard->house;
    berth_error_t err = { 0 };
    probe_result_t result = { 0 };
    place_probe_t ask = { .driver = "ssh", .config = house_ask (house, NULL).config };
    assert_ok (house->provider->probe (house->self, &ask, soon (30000), house->arena, &result, &err),
               err);
    if (!result.ok)
        fail_msg ("%s", result.summary);
    assert_string_equal (any_text (result.details, "host", house->arena), "127.0.0.1");
    assert_non_null (strstr (any_text (result.details, "remoteCwd", house->arena), yard->sshd.base));
    //  One that fails is an answer, with what ssh said.
    ask.config = house_ask (house, sshd_config (&yard->sshd, arena_printf (house->arena,
        "\"privateKey\":%s", sshd_quoted (house->arena, yard->sshd.other_key)))).config;
    assert_ok (house->provider->probe (house->self, &ask, soon (30000), house->arena, &result, &err),
               err);
    assert_false (result.ok);
    assert_non_null (strstr (any_text (result.details, "error", house->arena), "Permission denied"));
    assert_string_equal (any_text (result.details, "code", house->arena), "provider_error");
    assert_non_null (any_text (result.details, "remedy", house->arena));
}

static void
s_refusals_are_typed (void **state)
{
    yard_t *yard = *state;
    arena_t *arena = yard->house.arena;
    sshd_t *sshd = &yard->sshd;
    berth_error_t err = yard_refused (yard, sshd_config (sshd, arena_printf (arena, "\"privateKey\":%s",
                                   sshd_quoted (arena, sshd->other_key))), 30000);
    assert_int_equal (err.code, BERTH_PROVIDER_ERROR);
    assert_non_null (strstr (err.text, "lets nobody in"));
    err = yard_refused (yard, sshd_config (sshd, arena_printf (arena, "\"knownHosts\":%s",
                     sshd_quoted (arena, sshd->other_known_hosts))), 30000);
    assert_int_equal (err.code, BERTH_PROVIDER_ERROR);
    assert_non_null (strstr (err.text, "not the one that is known"));
    err = yard_refused (yard, sshd_config (sshd, "\"knownHosts\":\"[127.0.0.9]:1 ssh-ed25519 AAAA\""),
                     30000);
    assert_non_null (strstr (err.text, "host key is not known"));
    err = yard_refused (yard, sshd_config (sshd, "\"port\":1"), 30000);
    assert_int_equal (err.code, BERTH_PROVIDER_UNAVAILABLE);
    assert_non_null (strstr (err.text, "nobody listens"));
    err = yard_refused (yard, sshd_config (sshd, "\"remoteWorkspacePath\":\"/proc/no/such\""), 30000);
    assert_non_null (strstr (err.text, "remoteWorkspacePath"));
    //  Without strictness, whoever answers is believed.
    place_open_t ask = house_ask (&yard->house, sshd_config (sshd,
        "\"strictHostKeyChecking\":false,\"knownHosts\":null"));
    place_opened_t place = house_acquire (&yard->house, &ask);
    house_release (&yard->house, &ask, &place);
}

//  Somebody listens and never says a word.
static void
s_a_host_that_hangs (void **state)
{
    yard_t *yard = *state;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal (bind (fd, (struct sockaddr *) &address, size), 0);
    assert_int_equal (listen (fd, 8), 0);
    assert_int_equal (getsockname (fd, (struct sockaddr *) &address, &size), 0);
    berth_error_t err = yard_refused (yard, sshd_config (&yard->sshd, arena_printf (yard->house.arena,
                                   "\"port\":%u", ntohs (address.sin_port))), 1500);
    assert_int_equal (err.code, BERTH_PROVIDER_TIMEOUT);
    assert_non_null (strstr (err.text, "did not answer in time"));
    close (fd);
}

//  Paperclip's words, a folder of its own, and the key nowhere.
static void
s_a_place_is_a_folder_there (void **state)
{
    yard_t *yard = *state;
    house_t *house = &yard->house;
    place_open_t ask = house_ask (house, NULL), other = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask), second = house_acquire (house, &other);
    const char *cwd = any_text (place.metadata, "remoteCwd", house->arena);
    assert_string_equal (cwd, arena_printf (house->arena, "%s/%s", yard->sshd.base, ask.lease));
    assert_string_equal (place.provider_lease, arena_printf (house->arena, "ssh://%s@127.0.0.1:%u%s",
                         yard->sshd.user, yard->sshd.port, cwd));
    assert_string_not_equal (cwd, any_text (second.metadata, "remoteCwd", house->arena));
    assert_string_equal (house_text (house, &place, "pwd"), arena_printf (house->arena, "%s\n", cwd));
    assert_int_equal (access (arena_printf (house->arena, "%s/places/%s/key", house->host.state,
                                            ask.lease), F_OK), -1);
    house_release (house, &other, &second);
    assert_string_equal (house_text (house, &place, "echo still"), "still\n");
    house_release (house, &ask, &place);
    assert_int_equal (access (cwd, F_OK), -1);
}

//  The program crosses once.
static void
s_the_program_is_copied_once (void **state)
{
    yard_t *yard = *state;
    house_t *house = &yard->house;
    struct stat first = { 0 }, then = { 0 };
    for (unsigned round = 0; round < 2; round++) {
        place_open_t ask = house_ask (house, NULL);
        place_opened_t place = house_acquire (house, &ask);
        const char *path = house_text (house, &place, "echo ../.berth/bin/shim-*");
        assert_null (strchr (path, '*'));
        path = arena_printf (house->arena, "%s/.berth/bin/%.*s", yard->sshd.base,
                             (int) strcspn (strrchr (path, '/') + 1, "\n"), strrchr (path, '/') + 1);
        assert_int_equal (stat (path, round ? &then : &first), 0);
        house_release (house, &ask, &place);
    }
    assert_int_equal (first.st_ino, then.st_ino);
}

static void
s_noise_at_login (void **state)
{
    yard_t *yard = *state;
    sshd_close (&yard->sshd);
    sshd_open (&yard->sshd, "ForceCommand echo welcome; seq 1 20000; printf 'no newline'; "
               "echo beware >&2; eval \"$SSH_ORIGINAL_COMMAND\"\n");
    house_t *house = &yard->house;
    house->config = sshd_config (&yard->sshd, "");
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    assert_string_equal (house_text (house, &place, "echo quiet"), "quiet\n");
    house_release (house, &ask, &place);
}

//  Files of a place that was closed and kept come home; a stream that is cut is one failure, and then
//  whole.
static void
s_files_of_a_kept_place (void **state)
{
    yard_t *yard = *state;
    house_t *house = &yard->house;
    arena_t *arena = house->arena;
    berth_error_t err = { 0 };
    const char *source = fixture_path (arena, house->folder, "source");
    assert_int_equal (mkdir (source, 0755), 0);
    assert_int_equal (mkdir (fixture_path (arena, source, "sub"), 0755), 0);
    file_put (fixture_path (arena, source, "sub/a"), "one\n");
    file_put (fixture_path (arena, source, "same"), "same\n");
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    place_realize_t realize = {
        .lease = ask.lease, .provider_lease = place.provider_lease, .metadata = place.metadata,
        .source = { (const uint8_t *) source, strlen (source) }
    };
    place_realized_t realized = { 0 };
    sshd_stop (&yard->sshd);
    assert_fails (house->provider->realize (house->self, &realize, NULL, NULL, soon (1000), arena,
                                            &realized, &err), err, BERTH_PROVIDER_UNAVAILABLE);
    sshd_start (&yard->sshd);
    assert_ok (house->provider->realize (house->self, &realize, NULL, NULL, soon (30000), arena,
                                         &realized, &err), err);
    assert_int_equal (realized.files, 2);
    assert_string_equal (house_text (house, &place, "rm sub/a; echo new >sub/b; ls"), "same\nsub\n");
    place_close_t closing = house_closing (&ask, &place);
    berth_put (place_close, &closing, keep_files, true);
    assert_ok (house->provider->release (house->self, &closing, soon (20000), &err), err);
    shim_message_t hello;
    assert_false (house_hello (house, &place, &hello));
    //  Its relay is made for this alone: with the key of the config, else those that ssh finds by itself.
    place_return_t give = {
        .lease = ask.lease, .provider_lease = place.provider_lease, .metadata = place.metadata,
        .target = realize.source
    };
    workspace_returned_t returned = { 0 };
    assert_fails (house->provider->give_back (house->self, &give, NULL, NULL, soon (20000), arena,
                                              &returned, &err), err, BERTH_PROVIDER_ERROR);
    assert_non_null (strstr (err.text, "lets nobody in"));
    give.config = ask.config;
    assert_ok (house->provider->give_back (house->self, &give, NULL, NULL, soon (20000), arena,
                                           &returned, &err), err);
    assert_int_equal (returned.added, 1);
    assert_int_equal (returned.deleted, 1);
    assert_int_equal (returned.changed, 0);
    assert_string_equal (file_text (house, fixture_path (arena, source, "sub/b")), "new\n");
    assert_string_equal (file_text (house, fixture_path (arena, source, "sub/a")), "ENOENT");
    assert_string_equal (file_text (house, fixture_path (arena, source, "same")), "same\n");
    assert_false (house_hello (house, &place, &hello));
    closing.keep_files = false;
    assert_ok (house->provider->release (house->self, &closing, soon (20000), &err), err);
    assert_string_equal (house_places (house), "");
}

//  The disk there is full: for the program, then for output, which waits.
static void
s_a_full_disk_there (void **state)
{
    yard_t *yard = *state;
    house_t *house = &yard->house;
    if (geteuid ()) {
        print_message ("a disk of that size can be mounted by root only\n");
        skip ();
    }
    const char *disk = fixture_path (house->arena, yard->sshd.folder, "disk");
    assert_int_equal (mkdir (disk, 0700), 0);
    assert_int_equal (mount ("tmpfs", disk, "tmpfs", 0, "size=1m"), 0);
    const char *config = sshd_config (&yard->sshd, arena_printf (house->arena,
                                      "\"remoteWorkspacePath\":\"%s\"", disk));
    berth_error_t err = yard_refused (yard, config, 30000);
    assert_non_null (strstr (err.text, "cannot be copied"));
    assert_non_null (strstr (err.cause, "No space left"));
    assert_int_equal (mount ("tmpfs", disk, "tmpfs", MS_REMOUNT, "size=4m"), 0);
    place_open_t ask = house_ask (house, config);
    place_opened_t place = house_acquire (house, &ask);
    ear_t ear = yard_listen (yard, &place);
    shim_message_t start = { 0 };
    const char *exec = yard_start (yard, &ear, &start, "seq 1 900000");
    while (!ear.stalls)
        (void) yard_hear (&ear, shim_op_OUTPUT, exec);
    assert_int_equal (mount ("tmpfs", disk, "tmpfs", MS_REMOUNT, "size=32m"), 0);
    assert_int_equal (yard_hear (&ear, shim_op_ENDED, exec).exit_code, 0);
    yard_is_sequence (yard_output (yard, exec, SPOOL_STDOUT), 900000);
    shim_link_destroy (&ear.link);
    house_release (house, &ask, &place);
    assert_int_equal (umount2 (disk, MNT_DETACH), 0);
}

//  berth-shim cannot run there (a folder that executes nothing, as another architecture): commands run
//  by plain ssh, and it is said what that cannot promise.
static void
s_plain_where_nothing_of_ours_runs (void **state)
{
    yard_t *yard = *state;
    house_t *house = &yard->house;
    if (geteuid ()) {
        print_message ("a folder that executes nothing can be mounted by root only\n");
        skip ();
    }
    const char *disk = fixture_path (house->arena, yard->sshd.folder, "disk");
    assert_int_equal (mkdir (disk, 0700), 0);
    assert_int_equal (mount ("tmpfs", disk, "tmpfs", MS_NOEXEC, "size=16m"), 0);
    house->config = sshd_config (&yard->sshd, arena_printf (house->arena,
                                 "\"remoteWorkspacePath\":\"%s\"", disk));
    place_open_t ask = house_ask (house, NULL);
    environment_policy_t policy = {
        .env = any_set_text (berth_empty_map, "POLICY", "it's $HOME", house->arena)
    };
    berth_put (environment_policy, &policy, env, policy.env);
    ask.policy = &policy;
    place_opened_t place = house_acquire (house, &ask);
    assert_non_null (strstr (any_text (place.metadata, "plainReason", house->arena), "Linux on"));
    assert_non_null (any_text (place.metadata, "notPromised", house->arena));
    const char *cwd = any_text (place.metadata, "remoteCwd", house->arena);
    assert_string_equal (house_text (house, &place, "pwd; echo \"$POLICY\""),
                         arena_printf (house->arena, "%s\nit's $HOME\n", cwd));
    ear_t ear = yard_listen (yard, &place);
    shim_message_t start = { 0 }, write = { 0 };
    berth_put (shim_message, &start, stdin_open, true);
    const char *exec = yard_start (yard, &ear, &start, "read line; echo got $line; cat >&2; exit 5");
    (void) yard_hear (&ear, shim_op_STARTED, exec);
    berth_put (shim_message, &write, data, BYTES_OF ("one\ntwo\n"));
    berth_put (shim_message, &write, eof, true);
    yard_send (&ear, &write, shim_op_WRITE, exec);
    assert_int_equal (yard_hear (&ear, shim_op_ENDED, exec).exit_code, 5);
    assert_string_equal (yard_output (yard, exec, SPOOL_STDOUT), "got one\n");
    assert_string_equal (yard_output (yard, exec, SPOOL_STDERR), "two\n");
    start = (shim_message_t) { 0 };
    berth_put (shim_message, &start, tty, true);
    exec = yard_start (yard, &ear, &start, "true");
    assert_non_null (strstr (yard_hear (&ear, shim_op_REFUSED, exec).error, "no terminals"));
    place_realize_t realize = {
        .lease = ask.lease, .provider_lease = place.provider_lease, .source = BYTES_OF ("/usr/bin")
    };
    place_realized_t realized = { 0 };
    berth_error_t err = { 0 };
    assert_fails (house->provider->realize (house->self, &realize, NULL, NULL, soon (5000),
                                            house->arena, &realized, &err), err, BERTH_UNSUPPORTED);
    shim_link_destroy (&ear.link);
    assert_int_equal (access (cwd, F_OK), 0);
    house_release (house, &ask, &place);
    assert_int_equal (access (cwd, F_OK), -1);
    probe_result_t result = { 0 };
    place_probe_t probe = { .driver = "ssh", .config = ask.config };
    assert_ok (house->provider->probe (house->self, &probe, soon (30000), house->arena, &result,
                                       &err), err);
    assert_true (result.ok);
    assert_non_null (strstr (result.summary, "plain ssh"));
    assert_int_equal (umount2 (disk, MNT_DETACH), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, yard_setup, yard_teardown)

int
main (int argc, char **argv)
{
    const char *why;
    if (!sshd_is_there (&why)) {
        printf ("SKIP: %s\n", why);
        return 77;
    }
    //  What is mounted here goes with us.
    if (geteuid () == 0 && (unshare (CLONE_NEWNS) || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)))
        return 1;
    if (argc > 1)
        cmocka_set_test_filter (argv [1]);
    const struct CMUnitTest tests [] = {
        TEST (s_probe_tells), TEST (s_refusals_are_typed), TEST (s_a_host_that_hangs),
        TEST (s_a_place_is_a_folder_there), TEST (s_the_program_is_copied_once),
        TEST (s_noise_at_login), TEST (s_files_of_a_kept_place), TEST (s_a_full_disk_there),
        TEST (s_plain_where_nothing_of_ours_runs)
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}

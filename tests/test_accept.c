//  test_accept.c - connections are refused before descriptors run out.

#include "fixture.h"

#include "accept.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void
test_refuses_before_the_end (void **state)
{
    (void) state;
    char *folder = fixture_folder_new ();
    struct rlimit limit = { 64, 64 };
    assert_int_equal (setrlimit (RLIMIT_NOFILE, &limit), 0);
    accept_guard ();
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    own (arena) arena = arena_new ();
    strcpy (address.sun_path, fixture_path (arena, folder, "s"));
    int listener = socket (AF_UNIX, SOCK_STREAM, 0), fds [256] = { 0 }, ours [64] = { 0 };
    assert_int_equal (bind (listener, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal (listen (listener, 64), 0);
    int accepted = 0, turned = 0, connected = 0;
    while (turned == 0) {
        int fd = socket (AF_UNIX, SOCK_STREAM, 0);
        assert_true (fd >= 0);                      //  There are descriptors left for the rest
        assert_int_equal (connect (fd, (struct sockaddr *) &address, sizeof address), 0);
        ours [connected++] = fd;
        int got = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
        if (got >= 0) {
            assert_in_range (got, 0, 47);
            fds [accepted++] = got;
        }
        else {
            assert_int_equal (errno, ECONNABORTED);
            turned++;
        }
    }
    assert_true (accepted > 5);
    assert_int_equal (accept_refused (), 1);
    char byte;
    assert_int_equal (read (ours [connected - 1], &byte, 1), 0);    //  It sees its end at once
    //  None left at all: it is taken and closed all the same, and the spare one is there again
    for (int round = 0; round < 2; round++) {
        int fd = socket (AF_UNIX, SOCK_STREAM, 0), full = 0;
        assert_int_equal (connect (fd, (struct sockaddr *) &address, sizeof address), 0);
        while ((fds [accepted + full] = dup (listener)) >= 0)
            full++;
        assert_int_equal (errno, EMFILE);
        assert_int_equal (accept4 (listener, NULL, NULL, 0), -1);
        assert_int_equal (errno, ECONNABORTED);
        assert_int_equal (read (fd, &byte, 1), 0);
        while (full--)
            close (fds [accepted + full]);
        close (fd);
    }
    assert_int_equal (accept_refused (), 3);
    while (accepted)
        close (fds [--accepted]);
    while (connected)
        close (ours [--connected]);
    close (listener);
    fixture_folder_destroy (&folder);
}

//  A descriptor's number comes again, its birth does not.
static void
test_births_differ (void **state)
{
    (void) state;
    char *folder = fixture_folder_new ();
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    own (arena) arena = arena_new ();
    strcpy (address.sun_path, fixture_path (arena, folder, "s"));
    int listener = socket (AF_UNIX, SOCK_STREAM, 0), number = -1;
    assert_int_equal (bind (listener, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal (listen (listener, 8), 0);
    assert_true (accept_birth (listener) == UINT64_MAX && accept_birth (-1) == UINT64_MAX
                 && accept_birth (ACCEPT_FILES_MAX) == UINT64_MAX);
    for (int round = 0; round < 3; round++) {
        int fd = socket (AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal (connect (fd, (struct sockaddr *) &address, sizeof address), 0);
        uint64_t before = accept_count ();
        int got = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true (got >= 0 && (number < 0 || got == number));
        number = got;
        assert_int_equal (accept_birth (got), before + 1);
        assert_int_equal (accept_count (), before + 1);
        close (got);
        close (fd);
    }
    close (listener);
    fixture_folder_destroy (&folder);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_births_differ), cmocka_unit_test (test_refuses_before_the_end),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}

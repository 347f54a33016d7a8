//  test_cgroup.c - where the cgroups of places are made, in a v2 tree that is played as systemd has it.

#include "fixture.h"

#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static char s_slice [300];              //  Empty: this machine lends us no v2 tree

static int
s_write (const char *folder, const char *name, const char *text)
{
    char path [500];
    snprintf (path, sizeof path, "%s/%s", folder, name);
    int file = open (path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    int rc = write (file, text, strlen (text)) < 0 ? -1 : 0;
    int saved = errno;
    close (file);
    errno = saved;
    return rc;
}

static const char *
s_below (const char *name)
{
    static char path [400];
    snprintf (path, sizeof path, "%s/%s", s_slice, name);
    return path;
}

static int
s_setup (void **state)
{
    (void) state;
    FILE *mounts = fopen ("/proc/self/mounts", "re");
    char line [1000], mount [200] = "", type [50];
    while (mounts && fgets (line, sizeof line, mounts))
        if (sscanf (line, "%*s %199s %49s", mount, type) == 2 && strcmp (type, "cgroup2") == 0)
            break;
        else
            mount [0] = 0;
    if (mounts)
        fclose (mounts);
    snprintf (s_slice, sizeof s_slice, "%s/test-%d.slice", mount, (int) getpid ());
    if (!*mount || mkdir (s_slice, 0755)) {
        s_slice [0] = 0;
        return 0;
    }
    assert_int_equal (mkdir (s_below ("berthd.service"), 0755), 0);
    assert_int_equal (mkdir (s_below ("berth-places.service"), 0755), 0);
    return 0;
}

static int
s_teardown (void **state)
{
    (void) state;
    if (!*s_slice)
        return 0;
    rmdir (s_below ("berthd.service/berthd"));
    rmdir (s_below ("berthd.service/berth-test"));
    rmdir (s_below ("berth-places.service/berth-test"));
    rmdir (s_below ("berthd.service"));
    rmdir (s_below ("berth-places.service"));
    return rmdir (s_slice);
}

//  Makes a cgroup as a berthd in that unit would; the path goes to *made.
static void
s_make (char *made, size_t size)
{
    int ends [2];
    assert_int_equal (pipe (ends), 0);
    pid_t pid = fork ();
    if (pid == 0) {
        cgroup_t cgroup;
        if (s_write (s_below ("berthd.service"), "cgroup.procs", "0"))
            _exit (1);
        cgroup_make (&cgroup, "test");
        (void) !write (ends [1], cgroup.v2, strlen (cgroup.v2));
        cgroup_remove (&cgroup);
        _exit (0);
    }
    close (ends [1]);
    ssize_t got = read (ends [0], made, size - 1);
    close (ends [0]);
    made [got > 0 ? got : 0] = 0;
    int status;
    assert_int_equal (waitpid (pid, &status, 0), pid);
    assert_int_equal (status, 0);
}

static void
s_beside_where_it_is_delegated (void **state)
{
    (void) state;
    if (!*s_slice) {
        print_message ("no v2 tree to be written here\n");
        return;
    }
    char made [CGROUP_PATH], wanted [500];
    s_make (made, sizeof made);
    snprintf (wanted, sizeof wanted, "%s/berth-test/", s_below ("berthd.service"));
    assert_memory_equal (made, wanted, strlen (wanted));        //  Not ours: not used

    const char *places = s_below ("berth-places.service");
    assert_int_equal (setxattr (places, "trusted.delegate", "1", 1, 0), 0);
    assert_int_equal (setxattr (s_below ("berthd.service"), "trusted.delegate", "1", 1, 0), 0);
    s_make (made, sizeof made);
    snprintf (wanted, sizeof wanted, "%s/berth-test/", s_below ("berth-places.service"));
    assert_memory_equal (made, wanted, strlen (wanted));
    //  The unit's own cgroup takes the next berthd: nobody made room in it.
    assert_int_not_equal (access (s_below ("berthd.service/berthd"), F_OK), 0);
    s_make (made, sizeof made);
    assert_memory_equal (made, wanted, strlen (wanted));
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test_setup_teardown (s_beside_where_it_is_delegated, s_setup, s_teardown),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}

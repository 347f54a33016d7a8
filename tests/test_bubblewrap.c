//  test_bubblewrap.c - the walls of bubblewrap, looked at from the inside.

#include "place_fixture.h"

#include "codec.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

static house_t s_house;

//  One place with the defaults, for all that only looks.
static place_open_t s_ask;
static place_opened_t s_place;

static int
s_setup (void **state)
{
    (void) state;
    house_open (&s_house, "bubblewrap");
    s_ask = house_ask (&s_house, NULL);
    s_place = house_acquire (&s_house, &s_ask);
    return 0;
}

static int
s_teardown (void **state)
{
    (void) state;
    house_release (&s_house, &s_ask, &s_place);
    assert_string_equal (house_places (&s_house), "");
    house_close (&s_house);
    return 0;
}

static const char *
s_text (const char *script)
{
    return house_text (&s_house, &s_place, script);
}

//  A python of the system, which has system calls by number.
static const char *
s_python (const char *program)
{
    return s_text (arena_printf (s_house.arena, "/usr/bin/python3 -c '%s'", program));
}

#define PYTHON_SYSCALL                                                                             \
    "import ctypes,os,errno\n"                                                                     \
    "libc = ctypes.CDLL (None, use_errno=True)\n"                                                  \
    "def call (*args):\n"                                                                          \
    "    rc = libc.syscall (*[ctypes.c_long (arg) for arg in args])\n"                             \
    "    return errno.errorcode [ctypes.get_errno ()] if rc < 0 else \"done\"\n"

//  ---------------------------------------------------------------------------------------------
//  Files

static void
s_system_is_there_and_read_only (void **state)
{
    (void) state;
    assert_string_equal (s_text ("cat /etc/shadow /etc/gshadow 2>/dev/null || echo none"), "none\n");
    assert_string_equal (s_text ("ls /root /var/lib /boot /srv 2>/dev/null || echo none"), "none\n");
    assert_string_equal (s_text ("for d in / /usr /etc /dev /run /var; do"
                                 " touch $d/x 2>/dev/null && echo $d; done; true"), "");
    assert_string_equal (s_text ("for d in /tmp /var/tmp /dev/shm /workspace /home/berth; do"
                                 " touch $d/x || exit 1; done; id -un; echo $HOME; pwd"),
                         "berth\n/home/berth\n/workspace\n");
    assert_string_equal (s_text ("ls -a /home /workspace"),
                         "/home:\n.\n..\nberth\n\n/workspace:\n.\n..\nx\n");
    assert_string_equal (s_text ("rm /workspace/x; cat /etc/passwd | wc -l"), "3\n");
}

static void
s_tools_work (void **state)
{
    (void) state;
    assert_string_equal (s_text ("cd /tmp; echo 'int main (void) { return 7; }' >t.c;"
                                 " cc t.c -o t && ./t; echo $?"), "7\n");
    assert_string_equal (s_text ("/usr/bin/python3 -c 'print (6 * 7)'"), "42\n");
    assert_string_equal (s_text ("pkg-config --modversion libczmq >/dev/null && echo yes"), "yes\n");
    assert_string_equal (s_text ("bash -lc 'PATH=$PATH:/more; echo ${PATH##*:}'"), "/more\n");
    assert_string_equal (s_text ("PATH=/usr/bin:/bin:/mine bash -lc 'echo ${PATH##*:}'"), "/mine\n");
}

//  ---------------------------------------------------------------------------------------------
//  Who and what is seen

static void
s_user_is_nobody (void **state)
{
    (void) state;
    assert_string_equal (s_text ("id -u; id -g; grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs)'"
                                 " /proc/self/status | tr -s '\\t' ' '"),
                         "1000\n1000\nCapPrm: 0000000000000000\nCapEff: 0000000000000000\n"
                         "CapBnd: 0000000000000000\nNoNewPrivs: 1\n");
    //  One user only; and on the host it is not root.
    assert_string_equal (s_text ("wc -l </proc/self/uid_map"), "1\n");
    const char *folder = arena_text (s_house.arena, (const char *) s_place.folder.data,
                                     s_place.folder.size);
    struct stat about;
    (void) s_text ("touch /workspace/mine");
    assert_int_equal (stat (fixture_path (s_house.arena, folder, "workspace/mine"), &about), 0);
    assert_int_equal (about.st_uid, any_number (s_place.metadata, "uid", 0));
    assert_int_not_equal (about.st_uid, 0);
    if (geteuid () == 0)
        assert_in_range (about.st_uid, s_house.host.uid_first,
                         s_house.host.uid_first + s_house.host.uid_count - 1);
    else
        assert_int_equal (about.st_uid, geteuid ());
    (void) s_text ("rm /workspace/mine");
}

static void
s_two_places_are_two_users (void **state)
{
    (void) state;
    if (geteuid ())
        return;                     //  Without root every place is the caller's
    place_open_t ask = house_ask (&s_house, NULL);
    place_opened_t place = house_acquire (&s_house, &ask);
    assert_int_not_equal (any_number (place.metadata, "uid", 0),
                          any_number (s_place.metadata, "uid", 0));
    house_release (&s_house, &ask, &place);
}

static void
s_old_etc_stays_while_it_is_seen (void **state)
{
    (void) state;
    house_t house;
    house_open (&house, "bubblewrap");
    const char *old = arena_printf (house.arena, "%s/etc-0123456789abcdef", house.host.state);
    assert_int_equal (mkdir (old, 0755), 0);
    place_open_t ask = house_ask (&house, NULL);
    place_opened_t place = house_acquire (&house, &ask);
    house_reopen (&house);
    assert_int_equal (access (old, F_OK), 0);
    house_release (&house, &ask, &place);
    house_reopen (&house);
    assert_int_equal (access (old, F_OK), -1);
    place = house_acquire (&house, &ask);
    assert_string_equal (house_text (&house, &place, "cat /etc/hostname"), "berth\n");
    house_release (&house, &ask, &place);
    house_close (&house);
}

//  Who takes the last one, and what is taken after a restart, is refused or another.
static void
s_host_users_are_counted (void **state)
{
    (void) state;
    if (geteuid ())
        return;                     //  Without root there are none
    house_t house;
    house_open (&house, "bubblewrap");
    house.host.uid_count = 2;
    house_reopen (&house);
    berth_error_t err = { 0 };
    place_open_t asks [3];
    place_opened_t places [3] = { 0 };
    for (unsigned index = 0; index < 3; index++)
        asks [index] = house_ask (&house, NULL);
    places [0] = house_acquire (&house, &asks [0]);
    house_reopen (&house);          //  Its record says which one is taken
    places [1] = house_acquire (&house, &asks [1]);
    assert_int_not_equal (any_number (places [0].metadata, "uid", 0),
                          any_number (places [1].metadata, "uid", 0));
    assert_fails (house.provider->acquire (house.self, &asks [2], soon (30000), house.arena,
                                           &places [2], &err), err, BERTH_PROVIDER_UNAVAILABLE);
    assert_non_null (strstr (err.text, "own uid"));
    assert_true (err.remedy [0] != 0);
    house_release (&house, &asks [0], &places [0]);
    places [2] = house_acquire (&house, &asks [2]);
    house_release (&house, &asks [1], &places [1]);
    house_release (&house, &asks [2], &places [2]);
    house.host.uid_count = 0;       //  Root itself is no wall
    house_reopen (&house);
    assert_fails (house.provider->acquire (house.self, &asks [2], soon (30000), house.arena,
                                           &places [2], &err), err, BERTH_PROVIDER_UNAVAILABLE);
    assert_string_equal (house_places (&house), "");
    house_close (&house);
}

static void
s_no_process_of_others (void **state)
{
    (void) state;
    //  Init and the shell itself.
    assert_string_equal (s_text ("set -- /proc/[0-9]*; echo $#"), "2\n");
    assert_string_equal (s_text ("cat /proc/1/environ 2>/dev/null | tr '\\0' '\\n' | grep -v ^P; true"),
                         "");
    assert_string_equal (s_text ("ls /proc/1/fd 2>&1 | grep -c . ; cat /proc/1/maps >/dev/null 2>&1"
                                 " || echo closed"), "1\nclosed\n");
    assert_string_equal (s_text ("kill -9 1; kill -0 1 && echo lives"), "lives\n");
    assert_string_equal (s_text ("hostname; cat /etc/hostname"), "berth\nberth\n");
}

static void
s_no_network (void **state)
{
    (void) state;
    assert_string_equal (s_text ("tail -n +3 /proc/net/dev | grep -vc lo:; true"), "0\n");
    assert_string_equal (s_python ("import socket\n"
                                   "try: socket.create_connection ((\"192.0.2.1\", 80), 2)\n"
                                   "except OSError as error: print (error.errno)"), "101\n");
    //  Families that no network namespace holds
    assert_string_equal (s_python (PYTHON_SYSCALL
                                   "import socket\n"
                                   "for family in 40, 38, 17:\n"
                                   "    try: socket.socket (family, socket.SOCK_STREAM)\n"
                                   "    except OSError as error: print (error.errno)"),
                         "97\n97\n97\n");
    assert_string_equal (any_text (any_get (s_place.metadata, "walls"), "network", s_house.arena),
                         "none");
}

static void
s_network_of_the_host (void **state)
{
    (void) state;
    place_open_t ask = house_ask (&s_house, "{\"network\": \"host\"}");
    place_opened_t place = house_acquire (&s_house, &ask);
    char own [64] = "";
    assert_true (readlink ("/proc/self/ns/net", own, sizeof own - 1) > 0);
    assert_string_equal (house_text (&s_house, &place, "readlink /proc/self/ns/net"),
                         arena_printf (s_house.arena, "%s\n", own));
    house_release (&s_house, &ask, &place);
}

//  ---------------------------------------------------------------------------------------------
//  System calls

static void
s_calls_are_refused (void **state)
{
    (void) state;
#if defined (__x86_64__)
    //  ioctl TIOCSTI and TIOCLINUX (also with rubbish in the upper half), keyctl, add_key,
    //  unshare, setns, mount, bpf, perf_event_open, userfaultfd, io_uring_setup,
    //  open_by_handle_at, clone3, personality (allowed)
    assert_string_equal (s_python (PYTHON_SYSCALL
        "print (call (16, 0, 0x5412, 0), call (16, 0, 0x100005412, 0), call (16, 0, 0x541c, 0))\n"
        "print (call (250, 0, -3, 0), call (248, 0, 0, 0, 0, 0))\n"
        "print (call (272, 0x10000000), call (272, 0x20000), call (272, 0x40000000), call (308, 0, 0))\n"
        "print (call (165, 0, 0, 0, 0, 0), call (166, 0, 0), call (428, 0, 0, 0), call (429, 0, 0, 0))\n"
        "print (call (321, 0, 0, 0), call (298, 0, 0, 0, 0, 0), call (323, 0), call (425, 1, 0))\n"
        "print (call (304, 0, 0, 0), call (303, 0, 0, 0, 0, 0), call (435, 0, 0))\n"
        "print (call (135, 0xffffffff))"),
        "EPERM EPERM EPERM\nEPERM EPERM\nEPERM EPERM EPERM EPERM\nEPERM EPERM EPERM EPERM\n"
        "EPERM EPERM EPERM EPERM\nEPERM EPERM ENOSYS\ndone\n");
    //  clone with a namespace
    assert_string_equal (s_python (PYTHON_SYSCALL "print (call (56, 0x10000011, 0, 0, 0, 0))"),
                         "EPERM\n");
#endif
    assert_string_equal (s_text ("unshare -U true 2>/dev/null || echo refused"), "refused\n");
    assert_string_equal (s_text ("grep ^Seccomp: /proc/self/status | tr -s '\\t' ' '"),
                         "Seccomp: 2\n");
}

static void
s_debuggers_work (void **state)
{
    (void) state;
    //  PTRACE_TRACEME of a child, among the place's own.
    assert_string_equal (s_python (PYTHON_SYSCALL "print (call (101, 0, 0, 0, 0))"), "done\n");
}

static void
s_namespaces_when_asked (void **state)
{
    (void) state;
    place_open_t ask = house_ask (&s_house, "{\"nestedNamespaces\": true}");
    place_opened_t place = house_acquire (&s_house, &ask);
    assert_string_equal (house_text (&s_house, &place, "unshare -Ur id -u"), "0\n");
    house_release (&s_house, &ask, &place);
}

//  ---------------------------------------------------------------------------------------------
//  Limits

static void
s_limits_hold (void **state)
{
    (void) state;
    place_open_t ask = house_ask (&s_house, "{\"memoryMb\": 64, \"pids\": 24, \"fileSizeMb\": 1,"
                                            " \"cpuSeconds\": 1}");
    place_opened_t place = { 0 };
    berth_error_t err = { 0 };
    if (s_house.provider->acquire (s_house.self, &ask, soon (30000), s_house.arena, &place, &err)) {
        //  Asked for, and there is no cgroup to hold it: refused, by name.
        assert_int_not_equal (geteuid (), 0);
        assert_non_null (strstr (err.text, "limit"));
        print_message ("no cgroup here: %s\n", err.text);
        assert_int_equal (err.code, BERTH_PROVIDER_ERROR);
        return;
    }
    const char *by = any_text (s_place.metadata, "limitsBy", s_house.arena);
    assert_true (strcmp (by, "cgroup1") == 0 || strcmp (by, "cgroup2") == 0);
    ran_t ran = house_run (&s_house, &place, "/usr/bin/python3 -c 'print (len (b\"x\" * 200000000))'");
    assert_true (ran.cause != exec_cause_EXITED || ran.exit_code != 0);
    assert_null (strstr (ran.text, "200000000"));
    //  The place lives on.
    assert_string_equal (house_text (&s_house, &place, "echo alive"), "alive\n");
    ran = house_run (&s_house, &place, "/usr/bin/python3 -c '\n"
                     "import os\n"
                     "count = 0\n"
                     "try:\n"
                     "    while count < 100:\n"
                     "        if os.fork () == 0: os.read (os.pipe () [0], 1)\n"
                     "        count += 1\n"
                     "except OSError as error: print (error.errno, count < 24, flush=True)\n"
                     "os.killpg (0, 15)'");
    if (!strstr (ran.text, "11 True"))
        fail_msg ("%s", ran.text);
    ran = house_run (&s_house, &place, "head -c 2000000 /dev/zero >/workspace/big; wc -c </workspace/big");
    assert_non_null (strstr (ran.text, "1048576"));
    ran = house_run (&s_house, &place, "exec /usr/bin/python3 -c 'while True: pass'");
    assert_true (ran.cause == exec_cause_SIGNALED);
    assert_true (ran.signal == 9 || ran.signal == 24);
    house_release (&s_house, &ask, &place);
}

static void
s_disk_is_bounded_or_refused (void **state)
{
    (void) state;
    place_open_t ask = house_ask (&s_house, "{\"diskMb\": 8}");
    place_opened_t place = { 0 };
    berth_error_t err = { 0 };
    if (geteuid ()) {
        assert_fails (s_house.provider->acquire (s_house.self, &ask, soon (30000), s_house.arena,
                                                 &place, &err), err, BERTH_PROVIDER_UNAVAILABLE);
        assert_non_null (strstr (err.text, "diskMb"));
        assert_true (err.remedy [0] != 0);
        return;
    }
    place = house_acquire (&s_house, &ask);
    ran_t ran = house_run (&s_house, &place, "head -c 6000000 /dev/zero >/workspace/a && echo fits;"
                           " head -c 6000000 /dev/zero >/home/berth/b || echo full");
    assert_non_null (strstr (ran.text, "fits"));
    assert_non_null (strstr (ran.text, "full"));
    house_release (&s_house, &ask, &place);
    FILE *mounts = fopen ("/proc/self/mounts", "re");
    char line [4096];
    assert_non_null (mounts);
    while (fgets (line, sizeof line, mounts))
        assert_null (strstr (line, ask.lease));
    fclose (mounts);
}

//  ---------------------------------------------------------------------------------------------
//  Config

static void
s_paths_and_variables_are_given (void **state)
{
    (void) state;
    arena_t *arena = s_house.arena;
    const char *folder = fixture_path (arena, s_house.folder, "tools");
    assert_int_equal (mkdir (folder, 0755), 0);
    file_put (fixture_path (arena, folder, "one"), "1\n");
    place_open_t ask = house_ask (&s_house, arena_printf (arena,
        "{\"readOnlyPaths\": [\"%s\"], \"env\": {\"COLOR\": \"red\", \"PATH\": \"/bin:/mine\"}}",
        folder));
    environment_policy_t policy = {
        .env = any_set_text (any_set_text (berth_empty_map, "COLOR", "blue", arena), "SIZE", "3",
                             arena)
    };
    berth_put (environment_policy, &policy, env, policy.env);
    ask.policy = &policy;
    place_opened_t place = house_acquire (&s_house, &ask);
    assert_string_equal (house_text (&s_house, &place, "echo $COLOR $SIZE $PATH"),
                         "red 3 /bin:/mine\n");
    assert_string_equal (house_text (&s_house, &place, arena_printf (arena,
        "cat %s/one; touch %s/two 2>/dev/null || echo refused", folder, folder)), "1\nrefused\n");
    house_release (&s_house, &ask, &place);
}

static void
s_wrong_configs_are_refused (void **state)
{
    (void) state;
    static const struct {
        const char *config, *field;
    } rows [] = {
        { "{\"network\": \"some\"}", "config.network" },
        { "{\"memoryMb\": 1}", "config.memoryMb" },
        { "{\"memoryMb\": 0}", "config.memoryMb" },
        { "{\"pids\": 2}", "config.pids" },
        { "{\"readOnlyPaths\": [\"/usr/share\", \"relative\"]}", "config.readOnlyPaths[1]" },
        { "{\"readOnlyPaths\": [\"/\"]}", "config.readOnlyPaths[0]" },
        { "{\"readOnlyPaths\": [\"/opt/../etc\"]}", "config.readOnlyPaths[0]" },
        { "{\"readOnlyPaths\": [\"/proc/1\"]}", "config.readOnlyPaths[0]" },
        { "{\"env\": {\"A B\": \"x\"}}", "config.env.A B" },
        { "{\"env\": {\"A\": 7}}", "config.env.A" },
        { "{\"walls\": 7}", "config.walls" }
    };
    for (size_t index = 0; index < BERTH_COUNT (rows); index++) {
        berth_error_t err = { 0 };
        place_open_t ask = house_ask (&s_house, rows [index].config);
        place_opened_t place = { 0 };
        berth_bytes_t normal;
        assert_fails (provider_check_config (s_house.provider, s_house.self, ask.config,
                                             s_house.arena, &normal, &err), err, BERTH_INVALID);
        assert_string_equal (err.field, rows [index].field);
        assert_fails (s_house.provider->acquire (s_house.self, &ask, soon (30000), s_house.arena,
                                                 &place, &err), err, BERTH_INVALID);
    }
}

static void
s_missing_walls_are_named (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    place_opened_t place = { 0 };
    place_open_t ask = house_ask (&s_house, "{\"readOnlyPaths\": [\"/no/such/tools\"]}");
    const char *before = house_places (&s_house);
    assert_fails (s_house.provider->acquire (s_house.self, &ask, soon (30000), s_house.arena,
                                             &place, &err), err, BERTH_PROVIDER_ERROR);
    assert_non_null (strstr (err.text, "/no/such/tools"));
    assert_string_equal (err.field, "config.readOnlyPaths[0]");
    if (geteuid () == 0) {
        //  A state directory that places' users cannot pass through
        assert_int_equal (chmod (s_house.folder, 0700), 0);
        ask = house_ask (&s_house, NULL);
        assert_fails (s_house.provider->acquire (s_house.self, &ask, soon (30000), s_house.arena,
                                                 &place, &err), err, BERTH_PROVIDER_UNAVAILABLE);
        assert_int_equal (chmod (s_house.folder, 0711), 0);
        assert_non_null (strstr (err.text, s_house.folder));
        assert_true (err.remedy [0] != 0);
    }
    assert_string_equal (house_places (&s_house), before);
}

static void
s_probe_says_what_there_is (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    probe_result_t result = { 0 };
    place_probe_t ask = { .driver = "sandbox", .config = berth_empty_map };
    assert_ok (s_house.provider->probe (s_house.self, &ask, soon (30000), s_house.arena, &result,
                                        &err), err);
    assert_true (result.ok);
    static const char *const texts [] = { "bwrapVersion", "limitsBy", "endsBy", "uid", "shellCommand" };
    for (size_t index = 0; index < BERTH_COUNT (texts); index++)
        assert_non_null (any_text (result.details, texts [index], s_house.arena));
    assert_true (any_truth (result.details, "seccomp", false));
    const char *version = any_text (result.details, "bwrapVersion", s_house.arena);
    assert_int_equal (strspn (version, "0123456789."), strlen (version));
    assert_string_equal (any_text (result.details, "uid", s_house.arena),
                         geteuid () ? "caller" : "own");
    //  What cannot be built is an answer, too.
    ask.config = any_set_text (berth_empty_map, "x", "y", s_house.arena);
    assert_fails (s_house.provider->probe (s_house.self, &ask, soon (30000), s_house.arena, &result,
                                           &err), err, BERTH_INVALID);
    place_open_t missing = house_ask (&s_house, "{\"readOnlyPaths\": [\"/no/such/tools\"]}");
    ask.config = missing.config;
    assert_ok (s_house.provider->probe (s_house.self, &ask, soon (30000), s_house.arena, &result,
                                        &err), err);
    assert_false (result.ok);
    assert_non_null (strstr (result.summary, "/no/such/tools"));
}

//  Parent of a process, whose name is *name: 0 if there is none.
static long
s_parent (long pid, char name [20])
{
    char path [64];
    long parent = 0;
    snprintf (path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen (path, "r");
    if (!file)
        return 0;
    if (fscanf (file, "%*d (%19[^)]) %*c %ld", name, &parent) != 2)
        parent = 0;
    fclose (file);
    return parent;
}

//  A shim of ours with bwrap as its child, but these two; 0: none.
static long
s_shim_with_walls (long other, long another)
{
    long found = 0;
    DIR *processes = opendir ("/proc");
    assert_non_null (processes);
    for (struct dirent *entry; !found && (entry = readdir (processes));) {
        char name [20], of_shim [20];
        long shim = s_parent (atol (entry->d_name), name);
        if (shim > 1 && shim != other && shim != another && strcmp (name, "bwrap") == 0
            && s_parent (shim, of_shim) == spawner_pid (s_house.host.spawner))
            found = shim;
    }
    closedir (processes);
    return found;
}

//  Behind the end of a place, the walls of the next one wait for what it is to be.
static void
s_walls_wait_for_the_next (void **state)
{
    (void) state;
    shim_message_t hello;
    assert_true (house_hello (&s_house, &s_place, &hello));
    long first = (long) hello.pid, waits;
    place_open_t ask = house_ask (&s_house, NULL);
    place_opened_t place = house_acquire (&s_house, &ask);
    assert_true (house_hello (&s_house, &place, &hello));
    long gone = (long) hello.pid;
    house_release (&s_house, &ask, &place);
    int64_t until = soon (20000);
    while (!(waits = s_shim_with_walls (first, gone)) && soon (0) < until)
        sched_yield ();
    assert_true (waits > 0);
    ask = house_ask (&s_house, "{\"env\": {\"WHO\": \"next\"}}");
    place = house_acquire (&s_house, &ask);
    assert_true (house_hello (&s_house, &place, &hello));
    assert_int_equal (hello.pid, waits);
    assert_string_equal (house_text (&s_house, &place, "echo $WHO; id -u"), "next\n1000\n");
    //  Another one meanwhile does not wait for it
    place_open_t ask_too = house_ask (&s_house, NULL);
    place_opened_t too = house_acquire (&s_house, &ask_too);
    assert_true (house_hello (&s_house, &too, &hello));
    assert_int_not_equal (hello.pid, waits);
    house_release (&s_house, &ask_too, &too);
    house_release (&s_house, &ask, &place);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_system_is_there_and_read_only),
        cmocka_unit_test (s_tools_work),
        cmocka_unit_test (s_user_is_nobody),
        cmocka_unit_test (s_two_places_are_two_users),
        cmocka_unit_test (s_old_etc_stays_while_it_is_seen),
        cmocka_unit_test (s_host_users_are_counted),
        cmocka_unit_test (s_no_process_of_others),
        cmocka_unit_test (s_no_network),
        cmocka_unit_test (s_network_of_the_host),
        cmocka_unit_test (s_calls_are_refused),
        cmocka_unit_test (s_debuggers_work),
        cmocka_unit_test (s_namespaces_when_asked),
        cmocka_unit_test (s_limits_hold),
        cmocka_unit_test (s_disk_is_bounded_or_refused),
        cmocka_unit_test (s_paths_and_variables_are_given),
        cmocka_unit_test (s_wrong_configs_are_refused),
        cmocka_unit_test (s_missing_walls_are_named),
        cmocka_unit_test (s_probe_says_what_there_is),
        cmocka_unit_test (s_walls_wait_for_the_next)
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}

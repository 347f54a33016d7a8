//  test_git_home.c - commits of a place come home: forward, merged, or to look at; and nothing that a
//  place says in its repository runs here.

#include "clock.h"
#include "git_home.h"
#include "tree_fixture.h"
#include "tree_pack.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static spawner_t *s_spawner;
static arena_t *s_arena;

static int
s_group_setup (void **state)
{
    (void) state;
    spawner_options_t options = { .shim_path = "/bin/true" };
    berth_error_t err = { 0 };
    s_arena = arena_new ();
    //  The developer's own settings are none of these tests'.
    setenv ("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    setenv ("GIT_CONFIG_NOSYSTEM", "1", 1);
    return spawner_start (&options, &s_spawner, &err);
}

static int
s_group_teardown (void **state)
{
    (void) state;
    spawner_destroy (&s_spawner);
    arena_destroy (&s_arena);
    return 0;
}

//  Runs a script in a folder of the test, as the developer here or the agent there would.
static void
s_in (const char *folder, const char *script)
{
    char command [30000];
    snprintf (command, sizeof command,
              "cd '%s' && g () { git -c user.name=x -c user.email=x@x -c init.defaultBranch=main \"$@\"; }"
              " && { %s; } >'%s' 2>&1", in (folder), script, in ("words"));
    if (system (command))
        fail_msg ("%s: %s\n%s", folder, script, folder_read ("words"));
}

static const char *
s_say (const char *folder, const char *words)
{
    char command [8000];
    snprintf (command, sizeof command, "cd '%s' && git %s >'%s' 2>&1", in (folder), words, in ("said"));
    (void) system (command);
    return folder_read ("said");
}

static git_came_t
s_bring (bool conflicts)
{
    git_came_t came;
    git_home_t how = { .place = in ("place"), .snapshot = in ("snap"), .target = in ("source"),
                       .scratch = in ("scratch"), .name = "lease-1", .no_links = true,
                       .conflicts = conflicts };
    git_bring_home (s_spawner, &how, berth_mono_ms () + 60000, s_arena, &came);
    assert_false (folder_there ("scratch"));
    return came;
}

//  As a provider does it.
static git_came_t
s_home (void)
{
    return s_bring (folder_return (false).conflicts > 0);
}

static void
s_make (void)
{
    s_in ("source", "g init -q && echo one >f && echo x >g && g add . && g commit -qm first");
    folder_copy ();
}

static void
test_forward (void **state)
{
    (void) state;
    s_make ();
    git_came_t came = s_home ();
    assert_null (came.outcome);
    s_in ("place", "echo two >>f && g commit -qam second && echo new >n && g add n && g commit -qm third"
          " && echo dirty >>g");
    came = s_home ();
    assert_string_equal (came.outcome, "fast_forward");
    assert_null (came.ref);
    assert_string_equal (s_say ("source", "log --format=%s"), "third\nsecond\nfirst\n");
    assert_string_equal (s_say ("source", "status --porcelain"), " M g\n");
    assert_string_equal (s_say ("source", "symbolic-ref HEAD"), "refs/heads/main\n");
    assert_string_equal (s_say ("source", "for-each-ref refs/berth"), "");
    assert_string_equal (s_say ("source", "fsck --strict"), "");
    //  Again: it is here.
    assert_null (s_home ().outcome);
    //  From packs, too.
    s_in ("place", "echo three >>f && g commit -qam fourth && g repack -adq && g pack-refs --all");
    assert_string_equal (s_home ().outcome, "fast_forward");
    assert_string_equal (s_say ("source", "log -1 --format=%s"), "fourth\n");
}

//  Of a place elsewhere only what changed is here.
static void
test_from_staging (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    s_make ();
    s_in ("place", "echo two >>f && g commit -qam second");
    tree_pack_t how = { .have = in ("snap"), .snapshot = in ("now") };
    int to = open (in ("stream"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_ok (tree_pack (in ("place"), &how, to, NULL, NULL, NULL, &err), err);
    close (to);
    s_in ("", "rm -rf place");
    folder_unpack ("place", "removed");
    assert_false (folder_there ("place/.git/HEAD"));
    assert_string_equal (s_bring (false).outcome, "fast_forward");
    assert_string_equal (s_say ("source", "log -1 --format=%s"), "second\n");
    //  A HEAD that moved here meanwhile says nothing of the one there.
    s_in ("source", "g reset -q --hard HEAD~ && g checkout -q -b other");
    assert_null (s_bring (false).outcome);
}

static void
test_unborn (void **state)
{
    (void) state;
    s_in ("source", "g init -q");
    folder_copy ();
    s_in ("place", "echo one >f && g add f && g commit -qm first");
    assert_string_equal (s_home ().outcome, "fast_forward");
    assert_string_equal (s_say ("source", "log --format=%s"), "first\n");
    assert_string_equal (s_say ("source", "status --porcelain"), "");
}

static void
test_merge (void **state)
{
    (void) state;
    s_make ();
    s_in ("place", "echo two >>f && g commit -qam theirs");
    s_in ("source", "echo y >>g && g commit -qam ours");
    git_came_t came = s_home ();
    assert_string_equal (came.outcome, "merge");
    assert_string_equal (s_say ("source", "show HEAD:f"), "one\ntwo\n");
    assert_string_equal (s_say ("source", "show HEAD:g"), "x\ny\n");
    assert_string_equal (s_say ("source", "rev-list --count HEAD"), "4\n");
    assert_string_equal (s_say ("source", "status --porcelain"), "");
    assert_string_equal (s_say ("source", "for-each-ref refs/berth"), "");
}

//  Both stand: ours in the branch, theirs at a ref.
static void
test_conflict (void **state)
{
    (void) state;
    s_make ();
    s_in ("place", "echo theirs >f && g commit -qam theirs");
    s_in ("source", "echo ours >f && g commit -qam ours");
    git_came_t came = s_home ();
    assert_string_equal (came.outcome, "conflict");
    assert_string_equal (came.ref, "refs/berth/lease-1");
    assert_string_equal (s_say ("source", "log -1 --format=%s"), "ours\n");
    assert_string_equal (s_say ("source", "log -1 --format=%s refs/berth/lease-1"), "theirs\n");
    assert_string_equal (folder_read ("source/f"), "ours\n");
    //  Without a conflict of files, of commits alone.
    s_in ("source", "g reset -q --hard && rm -f f.berth-theirs");
    came = s_bring (false);
    assert_string_equal (came.outcome, "conflict");
    assert_non_null (strstr (came.reason, "same lines"));
    assert_string_equal (s_say ("source", "log -1 --format=%s"), "ours\n");
    assert_string_equal (s_say ("source", "log -1 --format=%s refs/berth/lease-1"), "theirs\n");
}

static void
test_staged_and_detached (void **state)
{
    (void) state;
    s_make ();
    s_in ("place", "echo two >>f && g commit -qam second");
    s_in ("source", "echo staged >s && g add s");
    git_came_t came = s_home ();
    assert_string_equal (came.outcome, "fast_forward");
    assert_non_null (strstr (came.reason, "staged"));
    assert_string_equal (s_say ("source", "diff --cached --name-only -- s"), "s\n");
    s_in ("source", "g reset -q --hard && g checkout -q --detach");
    s_in ("place", "echo three >>f && g commit -qam third");
    assert_string_equal (s_home ().outcome, "fast_forward");
    assert_string_equal (s_say ("source", "log -1 --format=%s HEAD"), "third\n");
    assert_string_equal (s_say ("source", "log -1 --format=%s main"), "second\n");
}

//  Every way that a repository knows to have something run. A file `ran` tells.
static void
test_nothing_runs (void **state)
{
    (void) state;
    s_make ();
    char script [20000], evil [4200];
    snprintf (evil, sizeof evil, "%s", in ("evil"));
    FILE *file = fopen (evil, "we");
    fprintf (file, "#!/bin/sh\ntouch '%s'\ncat\n", in ("ran"));
    fclose (file);
    assert_int_equal (chmod (evil, 0755), 0);
    char settings [20000];
    snprintf (settings, sizeof settings, "[core]\n\tfsmonitor = %s\n\tsshCommand = %s\n", evil, evil);
    folder_write ("settings", settings);
    s_in ("place", "echo two >>f && g commit -qam second && echo '* filter=evil merge=evil diff=evil' >.gitattributes"
          " && g add .gitattributes && g commit -qm attributes");
    snprintf (script, sizeof script,
              "for hook in post-checkout post-commit pre-commit post-merge reference-transaction post-index-change"
              " pre-auto-gc update post-update pre-receive post-receive proc-receive push-to-checkout"
              " fsmonitor-watchman; do cp '%s' .git/hooks/$hook; done;"
              " for key in core.fsmonitor core.sshCommand core.editor core.pager core.gitProxy core.askPass"
              " core.alternateRefsCommand diff.external filter.evil.clean filter.evil.smudge filter.evil.process"
              " merge.evil.driver diff.evil.textconv diff.evil.command uploadpack.packObjectsHook"
              " gpg.program credential.helper sequence.editor alias.fetch alias.init; do"
              " git config $key '%s'; done; git config core.hooksPath .git/hooks;"
              " git config core.worktree /; git config include.path '%s'; git config remote.origin.uploadpack '%s'",
              evil, evil, in ("settings"), evil);
    s_in ("place", script);
    //  What they did while they were planted counts not.
    (void) unlink (in ("ran"));
    tree_result_t result = folder_return (false);
    assert_non_null (strstr (folder_reports, "refused .git/config: "));
    assert_non_null (strstr (folder_reports, "refused .git/hooks/post-checkout: "));
    assert_true (result.refused > 10);
    s_in ("source", "echo y >>g && g commit -qam ours");    //  So that it must be merged
    git_came_t came = s_bring (false);
    assert_string_equal (came.outcome, "merge");
    assert_false (folder_there ("ran"));
    assert_false (folder_there ("source/.git/hooks/post-checkout"));
    assert_string_equal (s_say ("source", "config core.fsmonitor"), "");
    assert_string_equal (s_say ("source", "status --porcelain"), "");
    assert_false (folder_there ("ran"));
}

//  A HEAD, a ref, an object or a pack that is not what it says: nothing comes, and home stays whole.
static void
test_lies (void **state)
{
    (void) state;
    s_make ();
    static const char *const scripts [] = {
        //  Refs that lead out or say nonsense
        "echo 'ref: refs/../../../outside' >.git/HEAD", "echo nonsense >.git/HEAD",
        "rm .git/HEAD; ln -s /etc/hostname .git/HEAD", "rm .git/HEAD; mkdir .git/HEAD",
        "rm -r .git/HEAD; echo 0123456789012345678901234567890123456789 >.git/HEAD",
        "echo 'ref: refs/heads/main' >.git/HEAD; rm .git/refs/heads/main; mkfifo .git/refs/heads/main",
        //  An object under another's name
        "rm -f .git/refs/heads/main .git/HEAD; echo 'ref: refs/heads/main' >.git/HEAD;"
        " git config core.fsmonitor false;"
        " mkdir -p .git/objects/01; cp $(find .git/objects -type f -path '*/[0-9a-f][0-9a-f]/*' | head -1)"
        " .git/objects/01/23456789012345678901234567890123456789; "
        " echo 0123456789012345678901234567890123456789 >.git/refs/heads/main",
        //  A pack of nonsense
        "mkdir -p .git/objects/pack; echo PACKnonsense >.git/objects/pack/"
        "pack-0123456789012345678901234567890123456789.pack",
    };
    for (unsigned index = 0; index < sizeof scripts / sizeof scripts [0]; index++) {
        s_in ("place", scripts [index]);
        git_came_t came = s_bring (false);
        if (came.outcome) {
            assert_string_equal (came.outcome, "refused");
            assert_non_null (came.reason);
        }
        assert_string_equal (s_say ("source", "log --format=%s"), "first\n");
        assert_string_equal (s_say ("source", "for-each-ref refs/berth"), "");
        assert_string_equal (s_say ("source", "fsck --strict"), "");
    }
}

//  Where either side is no repository there is nothing to bring.
static void
test_no_repository (void **state)
{
    (void) state;
    folder_write ("source/f", "f");
    folder_copy ();
    assert_null (s_home ().outcome);
    s_in ("place", "g init -q && g add f && g commit -qm theirs");
    assert_null (s_home ().outcome);
    assert_false (folder_there ("source/.git"));
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
#define TEST(name) cmocka_unit_test_setup_teardown (name, folder_setup, folder_teardown)
        TEST (test_forward), TEST (test_from_staging), TEST (test_unborn), TEST (test_merge), TEST (test_conflict),
        TEST (test_staged_and_detached), TEST (test_nothing_runs), TEST (test_lies),
        TEST (test_no_repository),
    };
    return cmocka_run_group_tests (tests, s_group_setup, s_group_teardown);
}

//  git_home.c - owns how commits come home: what git is asked, and with which configuration.

#include "git_home.h"
#include "git_objects.h"
#include "runner.h"
#include "tree_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ARGS_MAX = 60 };

typedef struct {
    spawner_t *spawner;
    const git_home_t *how;
    int64_t deadline_ms;
    arena_t *arena;
    struct stat owner;                  //  Of home
    const char *head;                   //  Home's commit, NULL: none yet
    const char *branch;                 //  Home's ref, NULL: detached
    const char *tip;                    //  The place's commit
    const char *ref;                    //  refs/berth/<name>
    git_came_t *came;
    berth_error_t err;
} home_t;

//  ---------------------------------------------------------------------------------------------
//  Asking git

static berth_bytes_t
s_bytes (const char *text)
{
    return (berth_bytes_t) { (const uint8_t *) text, strlen (text) };
}

//  Nobody's configuration but home's own, and nothing of it that runs something.
static const char *const s_env [] = {
    "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/nonexistent", "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1",
    "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0",
    "GIT_ATTR_NOSYSTEM=1", "GIT_NO_LAZY_FETCH=1", "GIT_AUTHOR_NAME=Berth",
    "GIT_AUTHOR_EMAIL=berth@localhost", "GIT_COMMITTER_NAME=Berth",
    "GIT_COMMITTER_EMAIL=berth@localhost",
};
static const char *const s_safe [] = {
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.attributesFile=/dev/null",
    "-c", "submodule.recurse=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
    "-c", "fetch.fsckObjects=true", "-c", "transfer.fsckObjects=true", "-c", "commit.gpgSign=false",
    "-c", "protocol.file.allow=always",
};

//  Runs git in home's repository, or in ours. Its status; -1: it could not be run. Its words in *ret_out
//  without the last newline. `words` is NULL-ended.
static int
s_git (home_t *self, bool ours, const char *input, const char *const *words, const char **ret_out)
{
    berth_bytes_t args [ARGS_MAX], env [BERTH_COUNT (s_env)];
    const char *verb = *words;
    size_t count = 0;
    args [count++] = s_bytes ("git");
    args [count++] = s_bytes (arena_printf (self->arena, ours ? "--git-dir=%s" : "--git-dir=%s/.git",
                                            ours ? self->how->scratch : self->how->target));
    if (!ours)
        args [count++] = s_bytes (arena_printf (self->arena, "--work-tree=%s", self->how->target));
    for (size_t index = 0; index < BERTH_COUNT (s_safe); index++)
        args [count++] = s_bytes (s_safe [index]);
    for (; *words; words++) {
        ENSURE (count < ARGS_MAX);
        args [count++] = s_bytes (*words);
    }
    for (size_t index = 0; index < BERTH_COUNT (s_env); index++)
        env [index] = s_bytes (s_env [index]);
    runner_ask_t ask = { .args = { count, args }, .env = { BERTH_COUNT (s_env), env } };
    if (input)
        ask.input = s_bytes (input);
    if (geteuid () == 0) {              //  What is made at home belongs to its owner
        berth_put (runner_ask, &ask, uid, self->owner.st_uid);
        berth_put (runner_ask, &ask, gid, self->owner.st_gid);
    }
    runner_done_t done;
    if (runner_run (self->spawner, &ask, self->deadline_ms, self->arena, &done, &self->err))
        return -1;
    const char *text = arena_text (self->arena, (const char *) done.out.data, done.out.size);
    size_t size = strlen (text);
    if (ret_out)
        *ret_out = arena_text (self->arena, text, size && text [size - 1] == '\n' ? size - 1 : size);
    if (done.status) {
        const char *why = arena_text (self->arena, (const char *) done.err.data, done.err.size);
        (void) berth_fail (&self->err, BERTH_PROVIDER_ERROR, "git %s: %.*s", verb,
                           (int) strcspn (why, "\n"), why);
    }
    return (int) done.status;
}

#define HOME(self, out, ...) s_git (self, false, NULL, (const char *const []) { __VA_ARGS__, NULL }, out)
#define OURS(self, out, ...) s_git (self, true, NULL, (const char *const []) { __VA_ARGS__, NULL }, out)

static bool
s_is_commit (const char *text)
{
    size_t size = strlen (text);
    return (size == 40 || size == 64) && strspn (text, "0123456789abcdef") == size;
}

static void
s_came (home_t *self, const char *outcome, const char *ref, const char *reason)
{
    *self->came = (git_came_t) { .outcome = outcome, .head = self->tip, .ref = ref, .reason = reason };
}

static void
s_refuse (home_t *self, const char *what)
{
    s_came (self, "refused", NULL, arena_printf (self->arena, "%s: %s", what,
                                                 *self->err.text ? self->err.text : "no reason"));
}

//  ---------------------------------------------------------------------------------------------
//  Home's side

//  False: it is no repository that commits can come to.
static bool
s_look (home_t *self, const char **ret_objects, const char **ret_format)
{
    const char *out;
    int rc = HOME (self, &out, "rev-parse", "--path-format=absolute", "--git-path", "objects",
                   "--show-object-format");
    if (rc == -1 || rc == 127)          //  No git, or no time: that is not nothing
        s_refuse (self, "git cannot be asked");
    if (rc)
        return false;
    size_t size = strcspn (out, "\n");
    *ret_objects = arena_text (self->arena, out, size);
    *ret_format = out [size] ? out + size + 1 : "sha1";
    if (strchr (*ret_format, '\n') || **ret_objects != '/')
        return false;
    self->head = HOME (self, &out, "rev-parse", "--verify", "-q", "HEAD^{commit}") == 0 ? out : NULL;
    self->branch = HOME (self, &out, "symbolic-ref", "-q", "HEAD") == 0 ? out : NULL;
    return !self->head || s_is_commit (self->head);
}

//  Is nothing staged? Then the index may follow.
static bool
s_unstaged (home_t *self)
{
    const char *out;
    if (self->head)
        return HOME (self, NULL, "diff-index", "--cached", "--quiet", "--ignore-submodules", self->head) == 0;
    return HOME (self, &out, "ls-files", "--cached") == 0 && !*out;
}

static int
s_fetch (home_t *self, const char *from, const char *to)
{
    return HOME (self, NULL, "fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
                 "--no-auto-maintenance", self->how->scratch,
                 arena_printf (self->arena, "+%s:%s", from, to));
}

//  The branch goes to `commit`, unless it moved since we looked.
static void
s_move (home_t *self, const char *commit, const char *outcome)
{
    const char *note = arena_printf (self->arena, "berth: work of %s came home", self->how->name);
    const char *none = strlen (self->tip) == 64
        ? "0000000000000000000000000000000000000000000000000000000000000000"
        : "0000000000000000000000000000000000000000";
    bool follow = s_unstaged (self);
    if (HOME (self, NULL, "update-ref", "-m", note, self->branch ? "--create-reflog" : "--no-deref",
              self->branch ? self->branch : "HEAD", commit, self->head ? self->head : none) != 0) {
        s_came (self, "conflict", self->ref, "home's branch moved while its work came");
        return;
    }
    if (follow)
        (void) HOME (self, NULL, "read-tree", commit);      //  Else what was staged stays as it is
    (void) HOME (self, NULL, "update-ref", "-d", self->ref);
    s_came (self, outcome, NULL, follow ? NULL : "what was staged at home stays staged");
    self->came->head = commit;
}

//  ---------------------------------------------------------------------------------------------
//  Between the two

//  Both have commits of their own. 0 and the merge, 1: they do not go together.
static int
s_merge (home_t *self, const char **ret_commit)
{
    const char *tree;
    int rc = OURS (self, &tree, "merge-tree", "--write-tree", "--no-messages", self->head, self->tip);
    if (rc != 0)
        return rc == 1 ? 1 : -1;
    if (!s_is_commit (tree))
        return -1;
    const char *note = arena_printf (self->arena, "Merge the work of %s", self->how->name);
    if (OURS (self, ret_commit, "commit-tree", tree, "-p", self->head, "-p", self->tip, "-m", note) != 0
        || !s_is_commit (*ret_commit)
        || OURS (self, NULL, "update-ref", "refs/heads/merged", *ret_commit) != 0)
        return -1;
    return 0;
}

static void
s_decide (home_t *self)
{
    //  First to a ref of its own: fetched, every object is checked, or nothing is there.
    if (OURS (self, NULL, "update-ref", "refs/heads/home", self->tip) != 0
        || s_fetch (self, "refs/heads/home", self->ref) != 0) {
        s_refuse (self, "the place's commits cannot be taken");
        return;
    }
    if (!self->head
        || HOME (self, NULL, "merge-base", "--is-ancestor", self->head, self->tip) == 0) {
        s_move (self, self->tip, "fast_forward");
        return;
    }
    if (self->how->conflicts) {
        s_came (self, "conflict", self->ref, "files changed on both sides, too: merge it by hand");
        return;
    }
    const char *merged = NULL;
    int rc = s_merge (self, &merged);
    if (rc == 0 && s_fetch (self, "refs/heads/merged", self->ref) == 0)
        s_move (self, merged, "merge");
    else
        s_came (self, "conflict", self->ref,
                rc == 1 ? "home's commits and the place's change the same lines: merge it by hand"
                        : arena_string (self->arena, self->err.text));
}

//  Our own repository, with home's objects behind it.
static int
s_make (home_t *self, const char *objects, const char *format)
{
    const char *scratch = self->how->scratch;
    if (tree_remove (scratch, &self->err))
        return -1;
    if (mkdir (scratch, 0700) || (geteuid () == 0 && chown (scratch, self->owner.st_uid, self->owner.st_gid)))
        return tree_fail (&self->err, "cannot make the folder", scratch);
    if (OURS (self, NULL, "init", "-q", "--bare", "--template=",
              arena_printf (self->arena, "--object-format=%s", format)) != 0)
        return -1;
    const char *path = arena_printf (self->arena, "%s/objects/info/alternates", scratch);
    FILE *file = fopen (path, "we");
    if (!file || fprintf (file, "%s\n", objects) < 0 || fclose (file))
        return tree_fail (&self->err, "cannot write", path);
    return 0;
}

static int
s_index_packs (home_t *self, size_t packs)
{
    for (size_t number = 0; number < packs; number++) {
        const char *const words [] = { "index-pack", "--stdin", "--fix-thin", "--strict", NULL };
        if (s_git (self, true, arena_printf (self->arena, "%s/incoming-%zu", self->how->scratch, number),
                   words, NULL) != 0)
            return -1;
    }
    return 0;
}

static void
s_bring (home_t *self, int place, int home)
{
    const char *objects, *format;
    self->tip = git_objects_head (place, home, self->how->snapshot, self->arena);
    if (!self->tip || !s_is_commit (self->tip) || !s_look (self, &objects, &format)
        || (self->head && strcmp (self->head, self->tip) == 0))
        return;
    if (self->head && HOME (self, NULL, "merge-base", "--is-ancestor", self->tip, self->head) == 0)
        return;                         //  It is here
    size_t packs = 0;
    self->err = (berth_error_t) { 0 };
    if (s_make (self, objects, format)
        || git_objects_copy (place, self->how->snapshot, self->how->scratch, &self->owner,
                             self->deadline_ms, &packs, &self->err)
        || s_index_packs (self, packs))
        s_refuse (self, "the place's commits cannot be taken");
    else
        s_decide (self);
}

void
git_bring_home (spawner_t *spawner, const git_home_t *how, int64_t deadline_mono_ms, arena_t *arena,
                git_came_t *ret_came)
{
    *ret_came = (git_came_t) { .outcome = NULL };
    home_t self = { .spawner = spawner, .how = how, .deadline_ms = deadline_mono_ms, .arena = arena,
                    .ref = arena_printf (arena, "refs/berth/%s", how->name), .came = ret_came };
    int place = open (how->place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int home = tree_open_host (how->target, how->no_links);
    int git = home >= 0 ? tree_open_folder (home, ".git") : -1;
    if (place >= 0 && git >= 0 && fstat (git, &self.owner) == 0) {
        s_bring (&self, place, home);
        berth_error_t ignored;
        (void) tree_remove (how->scratch, &ignored);    //  It goes with the place at the latest
    }
    int open_ones [] = { place, home, git };
    for (unsigned index = 0; index < 3; index++)
        if (open_ones [index] >= 0)
            close (open_ones [index]);
}

//  test_tree_model.c - random folders, random edits on both sides, and the merge held against a
//  naive model. A failure prints its seed; TREE_SEED=<seed> runs that one alone.

#include "tree_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

//  Names a, b, c, three levels deep: node n has the children 3n+1 to 3n+3, node 0 is the top.
enum { NAMES = 3, INNER = 13, NODES = 40, LINES = 200, ROUNDS = 400 };

typedef enum { NOTHING, FOLDER, FILE_, LINK } kind_t;

typedef struct {
    kind_t kind;
    unsigned value;
    bool x;
} node_t;

typedef struct {
    node_t nodes [NODES];
} world_t;

//  A folder as text, for comparing.
typedef struct {
    char *lines [LINES];
    unsigned count;
} dump_t;

static void
s_path (unsigned node, char *path, size_t size)
{
    char names [8];
    unsigned depth = 0;
    for (; node; node = (node - 1) / NAMES)
        names [depth++] = (char) ('a' + (node - 1) % NAMES);
    size_t used = 0;
    path [0] = 0;
    while (depth-- && used + 3 < size) {
        used += (size_t) snprintf (path + used, size - used, used ? "/%c" : "%c", names [depth]);
    }
}

//  Contents of one size and of several.
static const char *s_contents [] = { "zero", "one!", "two!", "three, which is longer" };

static void
s_clear (world_t *world, unsigned node)
{
    world->nodes [node] = (node_t) { NOTHING, 0, false };
    if (node < INNER)
        for (unsigned child = NAMES * node + 1; child <= NAMES * node + NAMES; child++)
            s_clear (world, child);
}

static void
s_edit (world_t *world, fixture_random_t *random)
{
    unsigned node = 1 + (unsigned) fixture_below (random, NODES - 1);
    while (world->nodes [(node - 1) / NAMES].kind != FOLDER)
        node = (node - 1) / NAMES;
    kind_t kind = (kind_t) fixture_below (random, 4);
    if (kind == FOLDER && node >= INNER)
        kind = FILE_;
    if (kind != FOLDER || world->nodes [node].kind != FOLDER)
        s_clear (world, node);
    world->nodes [node] = (node_t) { kind, (unsigned) fixture_below (random, 4),
                                     kind == FILE_ && fixture_below (random, 4) == 0 };
}

//  Makes the folder on disk what the world is, touching only what differs from `was`.
static void
s_build (const char *top, const world_t *was, const world_t *world)
{
    char path [64], name [32];
    for (unsigned node = 1; node < NODES; node++) {
        const node_t *old = &was->nodes [node], *new = &world->nodes [node];
        if (memcmp (old, new, sizeof *old) == 0 || (old->kind == FOLDER && new->kind == FOLDER))
            continue;
        s_path (node, name, sizeof name);
        snprintf (path, sizeof path, "%s/%s", top, name);
        if (world->nodes [(node - 1) / NAMES].kind != FOLDER)
            continue;                           //  It went with the folder it was in
        berth_error_t err = { 0 };
        if (old->kind == FOLDER)
            assert_ok (tree_remove (in (path), &err), err);
        else if (old->kind != NOTHING)
            assert_int_equal (unlink (in (path)), 0);
        if (new->kind == FOLDER)
            folder_make (path);
        else if (new->kind == FILE_) {
            folder_write (path, s_contents [new->value]);
            assert_int_equal (chmod (in (path), new->x ? 0755 : 0644), 0);
        }
        else if (new->kind == LINK)
            assert_int_equal (symlink (s_contents [new->value], in (path)), 0);
    }
}

static void
s_add (dump_t *dump, const char *path, const node_t *node)
{
    assert_true (dump->count < LINES);
    char line [256];
    if (node->kind == FOLDER)
        snprintf (line, sizeof line, "%s/", path);
    else
        snprintf (line, sizeof line, "%s %s '%s'%s", path, node->kind == LINK ? "->" : "=",
                  s_contents [node->value], node->x ? " x" : "");
    dump->lines [dump->count++] = strdup (line);
}

static void
s_dump_disk (dump_t *dump, const char *top, const char *below)
{
    char command [4200], text [64];
    snprintf (command, sizeof command, "%s%s%s", top, *below ? "/" : "", below);
    int fd = open (in (command), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true (fd >= 0);
    DIR *folder = fdopendir (fd);
    assert_non_null (folder);
    for (struct dirent *entry; (entry = readdir (folder));) {
        if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
            continue;
        char path [600], whole [700];
        snprintf (path, sizeof path, "%s%s%s", below, *below ? "/" : "", entry->d_name);
        snprintf (whole, sizeof whole, "%s/%s", top, path);
        node_t node = { .kind = FILE_ };
        struct stat about;
        assert_int_equal (lstat (in (whole), &about), 0);
        if (S_ISDIR (about.st_mode))
            node.kind = FOLDER;
        else {
            memset (text, 0, sizeof text);
            if (S_ISLNK (about.st_mode)) {
                node.kind = LINK;
                assert_true (readlink (in (whole), text, sizeof text - 1) > 0);
            }
            else {
                snprintf (text, sizeof text, "%s", folder_read (whole));
                node.x = about.st_mode & 0100;
            }
            while (strcmp (s_contents [node.value], text) != 0)
                assert_true (++node.value < BERTH_COUNT (s_contents));
        }
        s_add (dump, path, &node);
        if (node.kind == FOLDER)
            s_dump_disk (dump, top, path);
    }
    closedir (folder);
}

//  ---------------------------------------------------------------------------------------------
//  The model.

typedef struct {
    world_t base, place, home;          //  As they were
    world_t result;                     //  What home becomes
    dump_t beside;                      //  What stands beside
    unsigned conflicts;
} model_t;

static bool
s_equal (const node_t *a, const node_t *b)
{
    if (a->kind != b->kind)
        return false;
    return a->kind == NOTHING || a->kind == FOLDER || (a->value == b->value && a->x == b->x);
}

static void
s_need_folders (model_t *model, unsigned node)
{
    while (node) {
        node = (node - 1) / NAMES;
        model->result.nodes [node].kind = FOLDER;
    }
}

//  All of the place's below a node that differs from the snapshot goes to a folder beside.
static bool
s_differing (model_t *model, unsigned node, const char *path, bool fresh)
{
    const node_t *theirs = &model->place.nodes [node], *base = &model->base.nodes [node];
    bool new = fresh || base->kind != theirs->kind;
    bool put = theirs->kind != NOTHING && (new || !s_equal (theirs, base));
    model->conflicts += put;
    bool below = false;
    if (theirs->kind == FOLDER)
        for (unsigned index = 1; index <= NAMES; index++) {
            char inner [200];
            snprintf (inner, sizeof inner, "%s/%c", path, (char) ('a' + index - 1));
            below |= s_differing (model, NAMES * node + index, inner, new);
        }
    if (put || below)
        s_add (&model->beside, path, theirs);
    return put || below;
}

static void
s_beside (model_t *model, unsigned node, bool fresh)
{
    char path [64], name [32];
    s_path (node, name, sizeof name);
    snprintf (path, sizeof path, "%s.berth-theirs", name);
    if (s_differing (model, node, path, fresh))
        s_need_folders (model, node);
}

//  What the place deleted, and home still has as it was, goes.
static void
s_empty (model_t *model, unsigned node)
{
    bool left = false;
    for (unsigned child = NAMES * node + 1; child <= NAMES * node + NAMES; child++) {
        const node_t *base = &model->base.nodes [child], *ours = &model->home.nodes [child];
        if (base->kind == FOLDER && ours->kind == FOLDER)
            s_empty (model, child);
        else if (base->kind != NOTHING && s_equal (base, ours))
            s_clear (&model->result, child);
        else if (base->kind != NOTHING && ours->kind != NOTHING)
            model->conflicts++;
        left |= model->result.nodes [child].kind != NOTHING;
    }
    if (!left)
        s_clear (&model->result, node);
}

static void
s_take (model_t *model, unsigned node)
{
    s_need_folders (model, node);
    model->result.nodes [node] = model->place.nodes [node];
    if (node < INNER)
        for (unsigned child = NAMES * node + 1; child <= NAMES * node + NAMES; child++)
            if (model->place.nodes [child].kind != NOTHING)
                s_take (model, child);
}

static void
s_expect (model_t *model, unsigned node, bool fresh)
{
    static const node_t nothing = { NOTHING, 0, false };
    const node_t *base = fresh ? &nothing : &model->base.nodes [node];
    const node_t *theirs = &model->place.nodes [node], *ours = &model->home.nodes [node];
    bool enter = false, enter_fresh = base->kind != FOLDER;
    if (theirs->kind == FOLDER && (base->kind == FOLDER || ours->kind == FOLDER)) {
        if (ours->kind == FOLDER || ours->kind == NOTHING)
            enter = true;
        else
            s_beside (model, node, false);
    }
    else if (s_equal (theirs, base) || s_equal (theirs, ours))
        ;
    else if (theirs->kind == NOTHING && base->kind == FOLDER && ours->kind == FOLDER)
        s_empty (model, node);
    else if (s_equal (ours, base) && ours->kind != FOLDER) {
        s_clear (&model->result, node);
        if (theirs->kind != NOTHING)
            s_take (model, node);
    }
    else if (theirs->kind == NOTHING)
        model->conflicts++;
    else if (ours->kind == FOLDER && base->kind == FOLDER) {
        s_empty (model, node);
        if (model->result.nodes [node].kind == NOTHING)
            s_take (model, node);
        else
            s_beside (model, node, true);
    }
    else
        s_beside (model, node, true);
    if (enter && node < INNER)
        for (unsigned child = NAMES * node + 1; child <= NAMES * node + NAMES; child++)
            s_expect (model, child, enter_fresh);
}

//  ---------------------------------------------------------------------------------------------

static int
s_order (const void *left, const void *right)
{
    return strcmp (*(char *const *) left, *(char *const *) right);
}

static char *
s_text (dump_t *dump)
{
    qsort (dump->lines, dump->count, sizeof dump->lines [0], s_order);
    char *text = calloc (LINES, 256);
    assert_non_null (text);
    for (unsigned index = 0, used = 0; index < dump->count; index++) {
        used += (unsigned) sprintf (text + used, "%s\n", dump->lines [index]);
        free (dump->lines [index]);
    }
    dump->count = 0;
    return text;
}

static char *
s_disk (const char *top)
{
    dump_t dump = { .count = 0 };
    s_dump_disk (&dump, top, "");
    return s_text (&dump);
}

static char *
s_world (const world_t *world, dump_t *beside)
{
    char path [32];
    for (unsigned node = 1; node < NODES; node++)
        if (world->nodes [node].kind != NOTHING) {
            s_path (node, path, sizeof path);
            s_add (beside, path, &world->nodes [node]);
        }
    return s_text (beside);
}

static void
s_same (uint64_t seed, const char *what, char *expected, char *found)
{
    if (strcmp (expected, found) != 0)
        fail_msg ("TREE_SEED=%llu: %s\nexpected:\n%s\nfound:\n%s", (unsigned long long) seed, what,
                  expected, found);
    free (expected);
    free (found);
}

//  Times long past, so that the place's untouched files are known by them alone.
static void
s_age (const world_t *world)
{
    struct timespec past [2] = { { 1000000000, 5 }, { 1000000000, 5 } };
    for (unsigned node = 1; node < NODES; node++) {
        char path [64], name [32];
        s_path (node, name, sizeof name);
        snprintf (path, sizeof path, "source/%s", name);
        if (world->nodes [node].kind == FILE_)
            assert_int_equal (utimensat (AT_FDCWD, in (path), past, 0), 0);
    }
}

static void
s_round (uint64_t seed)
{
    fixture_random_t random = { seed };
    for (unsigned warm = 0; warm < 8; warm++)
        (void) fixture_random (&random);
    static model_t model;
    memset (&model, 0, sizeof model);
    world_t empty = { .nodes [0].kind = FOLDER };
    model.base.nodes [0].kind = FOLDER;
    for (uint64_t edits = 10 + fixture_below (&random, 60); edits; edits--)
        s_edit (&model.base, &random);
    model.place = model.home = model.base;
    for (uint64_t edits = fixture_below (&random, 12); edits; edits--)
        s_edit (&model.place, &random);
    for (uint64_t edits = fixture_below (&random, 12); edits; edits--)
        s_edit (&model.home, &random);
    s_build ("source", &empty, &model.base);
    if (fixture_below (&random, 2))
        s_age (&model.base);
    folder_copy ();
    s_same (seed, "the copy", s_world (&model.base, &model.beside), s_disk ("place"));
    s_build ("place", &model.base, &model.place);
    s_build ("source", &model.base, &model.home);

    tree_result_t dry = folder_return (true);
    static char reports [sizeof folder_reports];
    memcpy (reports, folder_reports, sizeof reports);
    s_same (seed, "home after a dry merge", s_world (&model.home, &model.beside),
            s_disk ("source"));

    model.result = model.home;
    for (unsigned child = 1; child <= NAMES; child++)
        s_expect (&model, child, false);
    tree_result_t result = folder_return (false);
    if (result.conflicts != model.conflicts || result.refused)
        fail_msg ("TREE_SEED=%llu: %u conflicts expected\n%s", (unsigned long long) seed,
                  model.conflicts, folder_reports);
    s_same (seed, "home after the merge", s_world (&model.result, &model.beside),
            s_disk ("source"));
    s_same (seed, "the place after the merge", s_world (&model.place, &model.beside),
            s_disk ("place"));
    s_same (seed, "the reports of a dry merge", strdup (folder_reports), strdup (reports));
    if (memcmp (&dry, &result, sizeof dry) != 0)
        fail_msg ("TREE_SEED=%llu: the dry merge counted otherwise", (unsigned long long) seed);

    result = folder_return (true);
    if (result.added || result.changed || result.deleted)
        fail_msg ("TREE_SEED=%llu: a second merge brings more:\n%s", (unsigned long long) seed,
                  folder_reports);
}

static void
test_model (void **state)
{
    const char *one = getenv ("TREE_SEED");
    if (one) {
        s_round (strtoull (one, NULL, 10));
        return;
    }
    const char *rounds = getenv ("TREE_ROUNDS");
    uint64_t last = rounds ? strtoull (rounds, NULL, 10) : ROUNDS;
    for (uint64_t seed = 1; seed <= last; seed++) {
        s_round (seed);
        if (seed < last) {
            folder_teardown (state);
            folder_setup (state);
        }
    }
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test_setup_teardown (test_model, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}

//  fixture.c - owns temporary folders of unit tests.

#include "fixture.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

char *
fixture_folder_new (void)
{
    const char *parent = getenv ("TMPDIR");
    char path [256];
    snprintf (path, sizeof path, "%s/t.XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp (path) || chmod (path, 0711))
        fail_msg ("no folder '%s': %s", path, strerror (errno));
    char *copy = strdup (path);
    assert_non_null (copy);
    return copy;
}

static int
s_remove (const char *path, const struct stat *what, int type, struct FTW *where)
{
    (void) what;
    (void) type;
    (void) where;
    return remove (path);
}

void
fixture_folder_destroy (char **path_p)
{
    if (!*path_p)
        return;
    if (nftw (*path_p, s_remove, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) && errno != ENOENT)
        fail_msg ("'%s' cannot be removed: %s", *path_p, strerror (errno));
    free (*path_p);
    *path_p = NULL;
}

const char *
fixture_path (arena_t *arena, const char *folder, const char *name)
{
    return arena_printf (arena, "%s/%s", folder, name);
}

void
fixture_ok (int rc, const berth_error_t *err, const char *call, const char *file, int line)
{
    if (rc == 0)
        return;
    print_error ("%s returned %d: %s: %s\n", call, rc, berth_code_text (err->code), err->text);
    print_error ("    field '%s' cause '%s'\n", err->field, err->cause);
    _fail (file, line);
}

void
fixture_fails (int rc, const berth_error_t *err, berth_code_t code, const char *call,
               const char *file, int line)
{
    if (rc == -1 && err->code == code && err->text [0])
        return;
    print_error ("%s returned %d: %s: %s; not %s\n", call, rc, berth_code_text (err->code),
                 err->text, berth_code_text (code));
    _fail (file, line);
}

static void
s_hex (const char *side, berth_bytes_t bytes)
{
    print_error ("    %s %zu bytes:", side, bytes.size);
    for (size_t index = 0; index < bytes.size && index < 256; index++)
        print_error (" %02x", bytes.data [index]);
    print_error ("\n");
}

void
fixture_bytes (berth_bytes_t left, berth_bytes_t right, const char *file, int line)
{
    if (left.size == right.size
        && (left.size == 0 || memcmp (left.data, right.data, left.size) == 0))
        return;
    print_error ("bytes differ\n");
    s_hex ("left ", left);
    s_hex ("right", right);
    _fail (file, line);
}

//  splitmix64
uint64_t
fixture_random (fixture_random_t *self)
{
    uint64_t mixed = self->state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

uint64_t
fixture_below (fixture_random_t *self, uint64_t bound)
{
    return bound ? fixture_random (self) % bound : 0;
}

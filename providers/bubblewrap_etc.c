//  bubblewrap_etc.c - owns the folder that places see as /etc.
//
//  A copy, because thirty binds cost as much as the rest of opening a place; only what is large is
//  bound over it. Its name is a fingerprint of its sources, so that places of different times keep
//  theirs.

#include "bubblewrap.h"

#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

//  What compilers, interpreters and shells look for. No accounts, no keys, no tokens (npmrc,
//  pip.conf, gitconfig may hold some), no machine-id.
static const char *const s_sources [] = {
    "bash.bashrc", "ca-certificates.conf", "debian_version", "fonts", "gai.conf",
    "host.conf", "inputrc", "java-11-openjdk", "java-17-openjdk", "java-21-openjdk",
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "localtime", "lsb-release",
    "magic", "magic.mime", "mime.types", "networks", "nsswitch.conf", "os-release", "perl",
    "pki", "protocols", "python3", "python3.9", "python3.10", "python3.11", "python3.12",
    "python3.13", "rpc", "services", "ssl/openssl.cnf", "terminfo", "timezone"
};

typedef struct {
    const char *name;
    const char *text;
} own_file_t;

static const own_file_t s_own [] = {
    { "passwd", "root:x:0:0:root:/root:/usr/sbin/nologin\n"
                "berth:x:1000:1000:Berth:" BUBBLEWRAP_HOME ":/bin/bash\n"
                "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n" },
    { "group", "root:x:0:\ntty:x:5:\nberth:x:1000:\nnogroup:x:65534:\n" },
    { "hosts", "127.0.0.1 localhost berth\n::1 localhost berth\n" },
    { "hostname", "berth\n" },
    //  A login shell keeps the PATH that the exec was given.
    { "profile", "export PATH=\"${PATH:-/usr/local/bin:/usr/bin:/bin}\"\n" },
    { "resolv.conf", "" },          //  With network `host`, the host's is bound over it
    { "shells", "/bin/sh\n/bin/bash\n" }
};

//  FNV-1a; a change that it misses needs the same second, size and inode.
static void
s_mix (uint64_t *hash, const void *data, size_t size)
{
    for (const uint8_t *byte = data; size--; byte++)
        *hash = (*hash ^ *byte) * 0x100000001b3u;
}

static uint64_t
s_fingerprint (void)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t index = 0; index < BERTH_COUNT (s_own); index++)
        s_mix (&hash, s_own [index].text, strlen (s_own [index].text));
    for (size_t index = 0; index < BERTH_COUNT (s_sources); index++) {
        char path [300];
        struct stat about;
        snprintf (path, sizeof path, "/etc/%s", s_sources [index]);
        s_mix (&hash, path, strlen (path));
        if (lstat (path, &about))
            continue;
        s_mix (&hash, &about.st_ino, sizeof about.st_ino);
        s_mix (&hash, &about.st_size, sizeof about.st_size);
        s_mix (&hash, &about.st_mtim, sizeof about.st_mtim);
        s_mix (&hash, &about.st_ctim, sizeof about.st_ctim);
    }
    return hash;
}

static int
s_write (int folder, const char *name, const char *text, size_t size)
{
    int fd = openat (folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -1;
    bool ok = write (fd, text, size) == (ssize_t) size && fchmod (fd, 0644) == 0;
    return close (fd) == 0 && ok ? 0 : -1;
}

//  A source that every user of the host may read; others, and those that are not there, are left.
static int
s_copy (const char *folder, int fd, const char *name, berth_error_t *err)
{
    char source [300], target [PATH_MAX], link [PATH_MAX], block [65536];
    struct stat about;
    snprintf (source, sizeof source, "/etc/%s", name);
    snprintf (target, sizeof target, "%s/%s", folder, name);
    if (lstat (source, &about))
        return 0;
    if (S_ISLNK (about.st_mode)) {
        ssize_t size = readlink (source, link, sizeof link - 1);
        if (size <= 0)
            return 0;
        link [size] = 0;
        return symlinkat (link, fd, name);
    }
    if (S_ISDIR (about.st_mode)) {
        if ((about.st_mode & 05) != 05)
            return 0;
        char snapshot [PATH_MAX + 16];
        snprintf (snapshot, sizeof snapshot, "%s.snapshot", folder);
        tree_options_t options = { .uid = -1, .gid = -1 };
        tree_progress_t done;
        int rc = tree_copy (source, target, snapshot, &options, &done, err);
        (void) unlink (snapshot);
        return rc;
    }
    if (!S_ISREG (about.st_mode) || !(about.st_mode & 04))
        return 0;
    int from = open (source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int to = openat (fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    ssize_t size = -1;
    if (from >= 0 && to >= 0)
        while ((size = read (from, block, sizeof block)) > 0)
            if (write (to, block, (size_t) size) != size) {
                size = -1;
                break;
            }
    if (from >= 0)
        close (from);
    if (to >= 0 && (fchmod (to, 0644) | close (to)))
        size = -1;
    return size == 0 ? 0 : -1;
}

static int
s_fill (const char *folder, int fd, berth_error_t *err)
{
    for (size_t index = 0; index < BERTH_COUNT (s_own); index++)
        if (s_write (fd, s_own [index].name, s_own [index].text, strlen (s_own [index].text)))
            return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot write '%s/%s'", folder,
                                     s_own [index].name);
    static const char *const folders [] = { "alternatives", "ssl", "ssl/certs" };
    for (size_t index = 0; index < BERTH_COUNT (folders); index++)
        if (mkdirat (fd, folders [index], 0755) || fchmodat (fd, folders [index], 0755, 0))
            return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot make '%s/%s'", folder,
                                     folders [index]);
    for (size_t index = 0; index < BERTH_COUNT (s_sources); index++) {
        berth_error_t why = { 0 };
        errno = 0;
        if (s_copy (folder, fd, s_sources [index], &why)) {
            berth_error_set (err->cause, sizeof err->cause, "%s",
                             why.text [0] ? why.text : strerror (errno));
            return berth_fail (err, BERTH_PROVIDER_ERROR, "cannot copy '/etc/%s' for places",
                               s_sources [index]);
        }
    }
    return 0;
}

static const char *
s_name (arena_t *arena)
{
    return arena_printf (arena, "etc-%016llx", (unsigned long long) s_fingerprint ());
}

void
bubblewrap_etc_sweep (const char *state)
{
    own (arena) arena = arena_new ();
    const char *current = s_name (arena);
    DIR *folder = opendir (state);
    struct dirent *entry;
    while (folder && (entry = readdir (folder)))
        if (strncmp (entry->d_name, "etc-", 4) == 0 && strcmp (entry->d_name, current))
            //  Not ours to fail for; the next start tries again.
            (void) tree_remove (arena_printf (arena, "%s/%s", state, entry->d_name), NULL);
    if (folder)
        closedir (folder);
}

int
bubblewrap_etc (const char *state, arena_t *arena, const char **ret_folder, berth_error_t *err)
{
    const char *folder = arena_printf (arena, "%s/%s", state, s_name (arena));
    *ret_folder = folder;
    if (access (folder, F_OK) == 0)
        return 0;
    const char *beside = arena_printf (arena, "%s/etc-new", state);
    if (tree_remove (beside, err))
        return -1;
    int fd = -1;
    if (mkdir (beside, 0755) || chmod (beside, 0755)
        || (fd = open (beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot make '%s'", beside);
    int rc = s_fill (beside, fd, err);
    close (fd);
    if (rc == 0 && rename (beside, folder))
        rc = berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot make '%s'", folder);
    if (rc)
        (void) tree_remove (beside, NULL);      //  Its maker's failure is the one to tell
    return rc;
}

//  bench_walls.c - which walls does the provider bubblewrap build?
//
//  bench_walls FOLDER BERTH_INIT
//  Makes FOLDER/workspace and FOLDER/home as a place has them, and writes what bwrap is told to
//  FOLDER/args (NUL separated, {SECCOMP_FD} where the filter's descriptor goes) and FOLDER/filter.
//  Prints the host uid of the place, and 1 if its network namespace is made before bwrap (else 0).
//  ref_bwrap builds the same walls from these.

#include "bench.h"
#include "bubblewrap.h"
#include "codec.h"
#include "places.h"
#include "provider.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLACE_UID = 949999 };        //  The last of the service's own range

static void
s_must (int rc, const berth_error_t *err)
{
    if (rc)
        bench_die ("%s %s", err->text, err->cause);
}

static void
s_folder (const char *path)
{
    if (mkdir (path, 0700) || (geteuid () == 0 && chown (path, PLACE_UID, PLACE_UID)))
        bench_die ("cannot make %s", path);
}

static void
s_write (const char *path, berth_bytes_t bytes, FILE **file_p)
{
    FILE *file = *file_p ? *file_p : fopen (path, "w");
    if (!file || fwrite (bytes.data, 1, bytes.size, file) != bytes.size)
        bench_die ("cannot write %s", path);
    *file_p = file;
}

int
main (int argc, char **argv)
{
    if (argc != 3)
        bench_die ("usage: bench_walls FOLDER BERTH_INIT");
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    bool root = geteuid () == 0;
    provider_host_t host = {
        .state = argv [1], .runtime = argv [1], .install_id = "01a1f800-0000-7000-8000-000000000000",
        .init_path = argv [2], .uid_first = root ? PLACE_UID : 0, .uid_count = root,
    };
    const provider_t *provider = provider_by_name ("bubblewrap");
    void *self;
    s_must (provider->open (&self, &host, &err), &err);
    place_t place = { .workspace = arena_printf (arena, "%s/workspace", argv [1]),
                      .home = arena_printf (arena, "%s/home", argv [1]) };
    s_folder (place.workspace);
    s_folder (place.home);
    bubblewrap_config_t config;
    s_must (bubblewrap_read (berth_empty_map, NULL, arena, &config, &err), &err);
    place_open_t ask = { .config = berth_empty_map };
    places_plan_t plan = { 0 };
    bubblewrap_plan_t how = { self, &config };
    s_must (bubblewrap_plan (&how, &ask, &place, arena, &plan, &err), &err);

    FILE *args = NULL, *filter = NULL;
    const char *args_path = arena_printf (arena, "%s/args", argv [1]);
    for (size_t index = 0; index < plan.open.args_fd.count; index++) {
        s_write (args_path, plan.open.args_fd.items [index], &args);
        s_write (args_path, (berth_bytes_t) { (const uint8_t *) "", 1 }, &args);
    }
    s_write (arena_printf (arena, "%s/filter", argv [1]), plan.open.seccomp, &filter);
    if (fclose (args) || fclose (filter))
        bench_die ("cannot write %s", args_path);
    printf ("%d %d\n", root ? PLACE_UID : (int) geteuid (), plan.open.own_network);
    provider->close (&self);
    return 0;
}

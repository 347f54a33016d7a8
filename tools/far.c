//  far.c - owns the program that is copied to remote machines: berth-shim, berth-init and the far end
//  of a relay's connection in one file, static, so that it runs wherever the kernel and machine fit.

#include "far.h"
#include "far_hash.h"

#include <stdio.h>
#include <string.h>

static int
s_hash (void)
{
    char text [FAR_HASH_SIZE];
    uint64_t size;
    if (far_hash ("/proc/self/exe", text, &size))
        return 1;
    return puts (text) < 0;
}

int
main (int argc, char **argv)
{
    const char *what = argc > 1 ? argv [1] : "";
    if (strcmp (what, "--hash") == 0)
        return s_hash ();
    if (strcmp (what, "--far") == 0)
        return far_serve ();
    if (strcmp (what, "--init") == 0)
        return berth_init_main (argc - 1, argv + 1);
    fprintf (stderr, "berth-shim: started by a relay of berthd only\n");
    return 2;
}

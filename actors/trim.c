//  trim.c - owns nothing: looks at the process's own mappings.

#include "trim.h"

#include "base.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { MAPPINGS_MAX = 1024 };

typedef struct {
    uintptr_t start, end;
    bool wanted;                    //  A private mapping of a file that cannot be written
    unsigned long dirty;            //  kB that are ours: relocations live there, they must stay
} mapping_t;

//  Reads /proc/self/smaps; how many mappings were read.
static size_t
s_read (mapping_t *mappings)
{
    FILE *file = fopen ("/proc/self/smaps", "re");
    char line [4096], mode [5], path [2];
    size_t count = 0;
    unsigned long kilobytes;
    mapping_t now;
    while (file && fgets (line, sizeof line, file)) {
        path [0] = 0;
        if (sscanf (line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %1s", &now.start, &now.end,
                    mode, path) >= 3) {
            if (count == MAPPINGS_MAX)
                break;
            now.wanted = mode [0] == 'r' && mode [1] == '-' && mode [3] == 'p' && path [0] == '/';
            now.dirty = 0;
            mappings [count++] = now;
        }
        else if (count && sscanf (line, "Private_Dirty: %lu", &kilobytes) == 1)
            mappings [count - 1].dirty = kilobytes;
        else if (count && sscanf (line, "Shared_Dirty: %lu", &kilobytes) == 1 && kilobytes)
            mappings [count - 1].wanted = false;
    }
    if (file)
        fclose (file);
    return count;
}

void
trim_after_start (void)
{
    static mapping_t mappings [MAPPINGS_MAX];
    (void) malloc_trim (0);
    size_t count = s_read (mappings);
    for (size_t index = 0; index < count; index++) {
        const mapping_t *mapping = &mappings [index];
        if (mapping->wanted && mapping->dirty == 0)
            (void) madvise ((void *) mapping->start, mapping->end - mapping->start, MADV_DONTNEED);
    }
}

//  plant.c - reads which faults a test has planted.

#include "plant.h"

#ifdef BERTH_PLANTS
#include <stdlib.h>
#include <string.h>

bool
berth_planted (const char *name)
{
    const char *at = getenv ("BERTH_PLANT");
    size_t size = strlen (name);
    while (at && *at) {
        size_t length = strcspn (at, ",");
        if (length == size && strncmp (at, name, size) == 0)
            return true;
        at += length + (at [length] == ',');
    }
    return false;
}
#endif

//  process.c - owns nothing: reads /proc.

#include "process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t
berth_process_start (int64_t pid)
{
    char path [64], text [1024];
    snprintf (path, sizeof path, "/proc/%lld/stat", (long long) pid);
    int file = open (path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    ssize_t got = read (file, text, sizeof text - 1);
    close (file);
    text [got > 0 ? got : 0] = 0;
    char *at = strrchr (text, ')');         //  The name before it may hold anything
    if (!at || at [1] != ' ' || at [2] == 'Z' || at [2] == 'X')
        return 0;                           //  Over, and only waits to be reaped
    for (int field = 2; at && field < 22; field++)
        at = strchr (at + 1, ' ');
    return at ? strtoull (at + 1, NULL, 10) : 0;
}

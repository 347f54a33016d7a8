//  clock.c - reads the system's clocks.

#include "clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t
s_now (clockid_t clock)
{
    struct timespec now;
    clock_gettime (clock, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
berth_wall_ms (void)
{
    return s_now (CLOCK_REALTIME);
}

int64_t
berth_mono_ms (void)
{
    return s_now (CLOCK_MONOTONIC);
}

const char *
berth_boot_id (void)
{
    static char id [37];        //  Constant for the life of the kernel: racing writers agree
    if (!id [0]) {
        char text [37] = { 0 };
        int file = open ("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            if (read (file, text, 36) != 36)
                text [0] = 0;
            close (file);
        }
        memcpy (id, text, sizeof id);
    }
    return id;
}

void
berth_time_text (int64_t wall_ms, char *text, size_t size)
{
    int64_t part = wall_ms % 1000;
    if (part < 0)
        part += 1000;               //  Before 1970, seconds are counted down and parts up
    time_t seconds = (time_t) (wall_ms / 1000 - (wall_ms < 0 && part > 0));
    struct tm parts = { 0 };
    gmtime_r (&seconds, &parts);
    char date [40];
    strftime (date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf (text, size, "%s.%03dZ", date, (int) part);
}

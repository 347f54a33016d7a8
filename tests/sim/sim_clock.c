//  sim_clock.c - owns the time of the simulation. The clocks, the boot id and the ids of the service
//  are wrapped by the linker (CMakeLists.txt), so that a seed decides them, too.

#include "sim.h"

#include "clock.h"

#include <stdio.h>

int64_t __wrap_berth_wall_ms (void);
int64_t __wrap_berth_mono_ms (void);
const char *__wrap_berth_boot_id (void);
void __wrap_berth_id_new (char text [BERTH_ID_SIZE]);

static int64_t s_wall_ms, s_mono_ms, s_last_id_ms, s_latest_ms;
static uint64_t s_id_number;
static fixture_random_t s_dice;
static char s_boot [37];

void
sim_id (char text [37])
{
    //  As the real ones: they sort by time, and a clock that steps back does not unsort them.
    s_last_id_ms = s_wall_ms > s_last_id_ms ? s_wall_ms : s_last_id_ms;
    uint8_t bytes [16];
    uint64_t tail = fixture_random (&s_dice), number = ++s_id_number;
    if ((number & 0xfff) == 0)
        s_last_id_ms++;
    for (int index = 0; index < 6; index++)
        bytes [index] = (uint8_t) (s_last_id_ms >> (40 - 8 * index));
    bytes [6] = (uint8_t) (0x70 | (number >> 8 & 0xf));
    bytes [7] = (uint8_t) number;
    memcpy (bytes + 8, &tail, sizeof tail);
    bytes [8] = (uint8_t) ((bytes [8] & 0x3f) | 0x80);
    berth_id_text (bytes, text);
}

static void
s_new_boot (void)
{
    sim_id (s_boot);
    s_mono_ms = 10000 + (int64_t) fixture_below (&s_dice, 60000);
}

void
sim_clock_begin (uint64_t seed)
{
    s_dice.state = seed ^ 0x7e57c10c6;
    s_wall_ms = 1700000000000 + (int64_t) fixture_below (&s_dice, 86400000);
    s_last_id_ms = s_latest_ms = 0;
    s_id_number = 0;
    s_new_boot ();
}

int64_t
sim_wall_ms (void)
{
    return s_wall_ms;
}

int64_t
sim_mono_ms (void)
{
    return s_mono_ms;
}

int64_t
sim_latest_ms (void)
{
    s_latest_ms = s_wall_ms > s_latest_ms ? s_wall_ms : s_latest_ms;
    return s_latest_ms;
}

void
sim_clock_pass (int64_t ms)
{
    s_wall_ms += ms;
    s_mono_ms += ms;
}

void
sim_clock_jump (int64_t ms)
{
    (void) sim_latest_ms ();
    s_wall_ms += ms;
}

void
sim_clock_boot (int64_t down_ms)
{
    s_wall_ms += down_ms;
    s_new_boot ();
}

//  ---- in place of the machine's

int64_t
__wrap_berth_wall_ms (void)
{
    return s_wall_ms;
}

int64_t
__wrap_berth_mono_ms (void)
{
    return s_mono_ms;
}

const char *
__wrap_berth_boot_id (void)
{
    return s_boot;
}

void
__wrap_berth_id_new (char text [BERTH_ID_SIZE])
{
    sim_id (text);
}

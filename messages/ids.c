//  ids.c - owns the last id that was made.

#include "ids.h"

#include "clock.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>

static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t s_last_ms;
static uint16_t s_counter;          //  12 bits behind the time; RFC 9562, section 6.2, method 1
static uint8_t s_random [16];       //  Drawn for this millisecond
static pid_t s_owner;               //  Who drew it: a fork draws its own

//  The bits behind the counter: a draw costs as much as writing a row, so that there is one in a
//  millisecond, and each id of it has a mix of the draw and its own number (SplitMix64). Ids are
//  names, not secrets.
static void
s_tail (const uint8_t drawn [16], uint64_t number, uint8_t tail [8])
{
    uint64_t mixed, other;
    memcpy (&mixed, drawn, sizeof mixed);
    memcpy (&other, drawn + 8, sizeof other);
    mixed += (number + 1) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    mixed ^= mixed >> 31 ^ other;
    memcpy (tail, &mixed, sizeof mixed);
}

void
berth_id_new (char text [BERTH_ID_SIZE])
{
    uint8_t bytes [16];
    pthread_mutex_lock (&s_lock);
    int64_t now_ms = berth_wall_ms ();
    pid_t self = getpid ();
    if (now_ms > s_last_ms || self != s_owner) {
        uuid_generate_random (s_random);
        s_owner = self;
        if (now_ms > s_last_ms) {
            s_last_ms = now_ms;
            s_counter = (uint16_t) (((s_random [6] << 8) | s_random [7]) & 0x7ff);
        }
    }
    else if (++s_counter > 0xfff) {
        s_counter = 0;
        s_last_ms++;                //  Borrowed from the future rather than repeated
    }
    int64_t time_ms = s_last_ms;
    uint16_t counter = s_counter;
    s_tail (s_random, (uint64_t) time_ms << 12 | counter, bytes + 8);
    pthread_mutex_unlock (&s_lock);

    for (int index = 0; index < 6; index++)
        bytes [index] = (uint8_t) (time_ms >> (40 - 8 * index));
    bytes [6] = (uint8_t) (0x70 | (counter >> 8));
    bytes [7] = (uint8_t) counter;
    bytes [8] = (uint8_t) ((bytes [8] & 0x3f) | 0x80);
    berth_id_text (bytes, text);
}

//  By character: the digit and 1, 0 for none.
static const uint8_t s_digits [256] = {
    ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9,
    ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16
};

int
berth_id_parse (const char *text, uint8_t bytes [16])
{
    uint8_t out [16];
    size_t filled = 0;
    for (size_t index = 0; index < 36;) {
        if (index == 8 || index == 13 || index == 18 || index == 23) {
            if (text [index++] != '-')
                return -1;
            continue;
        }
        unsigned high = s_digits [(uint8_t) text [index]];
        unsigned low = high ? s_digits [(uint8_t) text [index + 1]] : 0;
        if (!low)
            return -1;
        out [filled++] = (uint8_t) ((high - 1) << 4 | (low - 1));
        index += 2;
    }
    if (text [36])
        return -1;
    memcpy (bytes, out, 16);
    return 0;
}

bool
berth_id_is (const char *text)
{
    uint8_t bytes [16];
    return text && berth_id_parse (text, bytes) == 0;
}

void
berth_id_text (const uint8_t bytes [16], char text [BERTH_ID_SIZE])
{
    uuid_unparse_lower (bytes, text);
}

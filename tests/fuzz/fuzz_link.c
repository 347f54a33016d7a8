//  fuzz_link.c - berthd's side of the talk with a shim: whatever a shim says, in whatever pieces.
//
//  burst: 40000
//  length: 2048
//
//  The first byte says how the bytes are cut into pieces. What comes out does not depend on that, every
//  failure is one of those in shim_link.h, and what is sent is one frame. The same bytes are what a shim
//  says when its place is to be closed, and the record that it left behind.

#include "fuzz.h"
#include "machine.h"

#include "codec.h"
#include "shim_link.h"

#include <errno.h>
#include <string.h>

enum { FRAMES_MAX = 200 };

typedef struct {
    size_t count;                       //  Messages
    uint64_t hash;                      //  Over them, packed
    berth_error_t err;                  //  How it ended
} heard_t;

static size_t s_object;
static berth_bytes_t s_preload;         //  What can be read at once, before the shim is gone
static uint8_t s_frame [8192];
static size_t s_frame_size;

static int
s_accepted (void)
{
    s_object = machine_object_new (OBJECT_STREAM);
    object_t *object = machine_object (s_object);
    if (s_preload.size) {
        memcpy (object->data, s_preload.data, s_preload.size);
        object->ready = s_preload.size;
        object->ended = true;
    }
    return (int) s_object;
}

static void
s_sent (size_t object, const uint8_t *data, size_t size)
{
    FUZZ_MUST (object == s_object && s_frame_size + size <= sizeof s_frame, "%zu bytes sent", size);
    memcpy (s_frame + s_frame_size, data, size);
    s_frame_size += size;
}

static uint64_t
s_mix (uint64_t hash, berth_bytes_t bytes)
{
    for (size_t index = 0; index < bytes.size; index++)
        hash = (hash ^ bytes.data [index]) * 1099511628211u;
    return hash;
}

static void
s_echo (shim_link_t *link, const shim_message_t *message)
{
    berth_error_t err = { 0 };
    s_frame_size = 0;
    if (shim_link_send (link, message, &err)) {
        fuzz_check_failure (&err, BERTH_PROVIDER_UNAVAILABLE);
        return;
    }
    uint32_t length = 0;
    FUZZ_MUST (s_frame_size >= 4 && !shim_link_unsent (link), "nothing was sent");
    memcpy (&length, s_frame, 4);
    FUZZ_MUST (length == s_frame_size - 4, "a frame of %u in %zu bytes", length, s_frame_size);
}

static void
s_begin (void)
{
    machine_begin ();
    machine_events_begin ();
    machine_play = (machine_play_t) { .accepted = s_accepted, .sent = s_sent };
    s_frame_size = 0;
}

static heard_t
s_hear (berth_bytes_t bytes, size_t piece, bool echo, arena_t *arena)
{
    heard_t heard = { .hash = 14695981039346656037u };
    berth_error_t err = { 0 };
    own (shim_link) link = NULL;
    s_begin ();
    FUZZ_MUST (shim_link_open (MACHINE_ROOT "/socket", machine_now_ms + 1000, &link, &err) == 0, "%s",
               err.text);
    object_t *object = machine_object (s_object);
    int rc = 0;
    for (size_t at = 0; rc >= 0 && heard.count < FRAMES_MAX;) {
        shim_message_t message;
        arena_clear (arena);
        rc = shim_link_receive (link, arena, &message, &heard.err);
        if (rc == 1) {
            heard.count++;
            heard.hash = s_mix (heard.hash, berth_pack (&shim_message_schema, &message, arena));
            if (echo && bytes.size < 4000)
                s_echo (link, &message);
        }
        else if (rc == 0 && at == bytes.size)
            object->ended = true;
        else if (rc == 0) {
            size_t part = piece < bytes.size - at ? piece : bytes.size - at;
            memcpy (object->data, bytes.data + at, part);
            object->ready = part;
            at += part;
        }
    }
    if (rc < 0) {
        FUZZ_MUST (heard.err.code == BERTH_PROVIDER_ERROR || heard.err.code == BERTH_PROVIDER_UNAVAILABLE,
                   "%s: %s", berth_code_text (heard.err.code), heard.err.text);
        fuzz_check_failure (&heard.err, heard.err.code);
    }
    shim_link_destroy (&link);
    machine_end ();
    return heard;
}

//  A place is closed by a shim that says this, and buried by a record that says it.
static void
s_close_and_bury (berth_bytes_t bytes)
{
    berth_error_t err = { 0 };
    s_begin ();
    s_preload = bytes;
    if (shim_link_call_close (MACHINE_ROOT "/socket", 1, machine_now_ms + 1000, &err)) {
        FUZZ_MUST (err.code == BERTH_PROVIDER_ERROR || err.code == BERTH_PROVIDER_UNAVAILABLE, "%s: %s",
                   berth_code_text (err.code), err.text);
        fuzz_check_failure (&err, err.code);
    }
    s_preload.size = 0;
    machine_folder (MACHINE_ROOT "/place");
    played_file_t *record = machine_file (MACHINE_ROOT "/place/shim.msgpack", true);
    memcpy (record->data, bytes.data, bytes.size);
    record->size = bytes.size;
    memset (&err, 0, sizeof err);
    if (shim_link_bury (MACHINE_ROOT "/place", machine_now_ms + 1000, &err))
        fuzz_check_failure (&err, err.code);
    else
        FUZZ_MUST (!machine_file (MACHINE_ROOT "/place/shim.msgpack", false), "a record that stays");
    machine_end ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static arena_t *arena;
    if (!arena)
        arena = arena_new ();
    if (size < 2)
        return 0;
    berth_bytes_t bytes = { data + 1, size - 1 };
    heard_t whole = s_hear (bytes, STREAM_ROOM, true, arena);
    heard_t pieces = s_hear (bytes, data [0] % 64 + 1u, false, arena);
    FUZZ_MUST (whole.count == pieces.count && whole.hash == pieces.hash && whole.err.code == pieces.err.code,
               "%zu messages at once, %zu in pieces", whole.count, pieces.count);
    s_close_and_bury (bytes);
    return 0;
}

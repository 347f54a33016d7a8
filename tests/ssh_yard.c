//  ssh_yard.c - owns a house of provider ssh with a host to go to, and an ear at the relay of a place.

#include "ssh_yard.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static void
s_open (yard_t *self, const char *lines)
{
    house_open (&self->house, "ssh");
    sshd_open (&self->sshd, lines);
    self->house.config = sshd_config (&self->sshd, "");
}

int
yard_setup (void **state)
{
    static yard_t yard;
    s_open (&yard, "");
    *state = &yard;
    return 0;
}

int
yard_teardown (void **state)
{
    yard_t *yard = *state;
    house_close (&yard->house);
    sshd_close (&yard->sshd);
    return 0;
}

//  Acquires with a config, and must fail so; nothing is left, and no key.
berth_error_t
yard_refused (yard_t *yard, const char *config, int64_t ms)
{
    house_t *house = &yard->house;
    berth_error_t err = { 0 };
    place_opened_t place = { 0 };
    place_open_t ask = house_ask (house, config);
    int64_t from = berth_mono_ms ();
    if (house->provider->acquire (house->self, &ask, soon (ms), house->arena, &place, &err) == 0)
        fail_msg ("it was opened");
    assert_true (berth_mono_ms () - from < ms + 2000);
    assert_string_equal (house_places (house), "");
    assert_true (err.remedy [0] != 0);
    return err;
}

ear_t
yard_listen (yard_t *yard, const place_opened_t *place)
{
    ear_t ear = { .arena = yard->house.arena };
    berth_error_t err = { 0 };
    const char *path = arena_text (ear.arena, (const char *) place->shim.data, place->shim.size);
    assert_ok (shim_link_open (path, soon (5000), &ear.link, &err), err);
    return ear;
}

const char *
yard_spool (yard_t *yard, const char *exec)
{
    return arena_printf (yard->house.arena, "%s/spool/%s", yard->house.folder, exec);
}

//  Sends a START of a script with these options; the id of the exec.
const char *
yard_start (yard_t *yard, ear_t *ear, shim_message_t *start, const char *script)
{
    char id [BERTH_ID_SIZE];
    berth_error_t err = { 0 };
    berth_id_new (id);
    const char *exec = arena_string (ear->arena, id), *spool = yard_spool (yard, exec);
    berth_bytes_t *argv = arena_array (ear->arena, 3, berth_bytes_t);
    argv [0] = BYTES_OF ("sh");
    argv [1] = BYTES_OF ("-c");
    argv [2] = (berth_bytes_t) { (const uint8_t *) script, strlen (script) };
    berth_put (shim_message, start, op, shim_op_START);
    berth_put (shim_message, start, exec, exec);
    berth_put (shim_message, start, argv, ((berth_blobs_t) { 3, argv }));
    berth_put (shim_message, start, spool,
               ((berth_bytes_t) { (const uint8_t *) spool, strlen (spool) }));
    assert_ok (shim_link_send (ear->link, start, &err), err);
    return exec;
}

void
yard_send (ear_t *ear, shim_message_t *message, shim_op_t op, const char *exec)
{
    berth_error_t err = { 0 };
    berth_put (shim_message, message, op, op);
    berth_put (shim_message, message, exec, exec);
    assert_ok (shim_link_send (ear->link, message, &err), err);
}

//  The next message of that kind about that exec (NULL: any).
shim_message_t
yard_hear (ear_t *ear, shim_op_t op, const char *exec)
{
    int64_t until = soon (60000);
    for (;;) {
        shim_message_t heard;
        berth_error_t err = { 0 };
        assert_ok (shim_link_wait (ear->link, until, ear->arena, &heard, &err), err);
        ear->stalls += heard.op == shim_op_OUTPUT && heard.stalled;
        if (heard.op == shim_op_REFUSED && op != shim_op_REFUSED)
            fail_msg ("refused: %s", heard.error);
        if (heard.op == op && (!exec || (heard.exec && strcmp (heard.exec, exec) == 0)))
            return heard;
    }
}

const char *
yard_output (yard_t *yard, const char *exec, int stream)
{
    enum { ROOM = 16 * 1048576 };
    static char data [ROOM];
    spool_reader_t *reader;
    berth_error_t err = { 0 };
    size_t size = 0, got;
    uint64_t from;
    int which;
    assert_ok (spool_reader_open (yard_spool (yard, exec), &reader, &err), err);
    do {
        assert_ok (spool_read (reader, stream, size, data + size, ROOM - size - 1, &got, &from,
                               &which, &err), err);
        assert_true (got == 0 || from == size);
        size += got;
    } while (got);
    spool_reader_destroy (&reader);
    data [size] = 0;
    return data;
}

//  Numbers from 1 to `last`, a line each, and nothing else.
void
yard_is_sequence (const char *text, unsigned last)
{
    for (unsigned number = 1; number <= last; number++) {
        char *end;
        if (strtoul (text, &end, 10) != number || *end != '\n')
            fail_msg ("line %u is '%.20s'", number, text);
        text = end + 1;
    }
    assert_string_equal (text, "");
}

void
yard_wait_for (const char *path)
{
    int64_t until = soon (30000);
    while (access (path, F_OK)) {
        assert_true (berth_mono_ms () < until);
        (void) poll (NULL, 0, 2);               //  A file that another process makes
    }
}

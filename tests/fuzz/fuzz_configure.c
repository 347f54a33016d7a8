//  fuzz_configure.c - any bytes as berthd's configuration file.
//
//  burst: 60000
//  length: 1024
//
//  It is read, or refused with a sentence that says what to mend; what is read obeys the schema.

#include "fuzz.h"

#include "codec.h"
#include "configure.h"

#include <czmq.h>
#include <string.h>

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static arena_t *arena;
    if (!arena) {
        arena = arena_new ();
        zsys_init ();
        zsys_set_logstream (NULL);              //  It says what it does not like of ZPL
    }
    arena_clear (arena);
    berth_error_t err = { 0 };
    configuration_t configuration, again;
    if (configure_text ("berth.cfg", (berth_bytes_t) { data, size }, arena, &configuration, &err)) {
        fuzz_check_failure (&err, BERTH_INVALID);
        return 0;
    }
    berth_bytes_t packed = berth_pack (&configuration_schema, &configuration, arena);
    FUZZ_MUST (berth_unpack (&configuration_schema, packed, arena, &again, &err) == 0, "%s", err.text);
    return 0;
}

//  fuzz_flags.c - any words of a command line as the options of any schema: 2 bytes name the schema,
//  the rest are the words, each ended by NUL.
//
//  burst: 40000
//  length: 1024
//
//  What they give is one packed map; what is refused has a sentence.

#include "fuzz.h"

#include "codec.h"
#include "flags.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 64, ELEMENTS = 1 << 20 };

//  A value may name a file or stdin: an input has neither.
static bool
s_reads (const char *word)
{
    const char *value = strncmp (word, "--", 2) == 0 && strchr (word, '=') ? strchr (word, '=') + 1
                      : word [0] == '-' && word [1] ? word + 2 : word;
    return strcmp (word, "-") == 0 || word [0] == '@' || strcmp (value, "-") == 0 || *value == '@';
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static arena_t *arena;
    if (!arena)
        arena = arena_new ();
    arena_clear (arena);
    if (size < 2)
        return 0;
    fuzz_input_t input = { data, data + size };
    const berth_schema_t *schema = fuzz_schema ((unsigned) fuzz_number (&input, 2));
    char *words [WORDS_MAX + 1] = { NULL };
    for (size_t count = 0; count < WORDS_MAX && fuzz_more (&input); count++) {
        size_t left = (size_t) (input.end - input.at), length = strnlen ((const char *) input.at, left);
        words [count] = arena_text (arena, (const char *) input.at, length);
        (void) fuzz_bytes (&input, length + 1);
        if (s_reads (words [count]))
            words [count] = arena_string (arena, "x");
    }
    berth_bytes_t body = berth_empty_map;
    berth_error_t err = { 0 };
    for (int at = 0; words [at];) {
        int begun = at, rc = flags_take (schema, "c=companyId e=env l=limit", words, &at, arena, &body,
                                         &err);
        if (rc < 0)
            fuzz_check_failure (&err, BERTH_INVALID);
        FUZZ_MUST (rc != 1 || at > begun, "an option was taken that took no word");
        if (rc != 1)
            at = begun + 1;
        memset (&err, 0, sizeof err);
    }
    FUZZ_MUST (wire_check (body, BERTH_DEPTH_MAX + 2, ELEMENTS, &err) == 0, "%s", err.text);
    void *message = arena_take (arena, schema->size);
    if (berth_unpack (schema, body, arena, message, &err))
        fuzz_check_failure (&err, BERTH_INVALID);
    return 0;
}

//  fixture.h - what unit tests share: cmocka, a temporary folder, assertions that print errors.

#ifndef BERTH_FIXTURE_H_INCLUDED
#define BERTH_FIXTURE_H_INCLUDED

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "error.h"

//  Makes an empty folder under $TMPDIR, mode 0711 so that a place's own user can come by. The
//  path is short enough for sockets in it.
char *fixture_folder_new (void);

//  Removes it with all that is in it, and frees the path.
void fixture_folder_destroy (char **path_p);

//  "folder/name", in arena.
const char *fixture_path (arena_t *arena, const char *folder, const char *name);

//  Calls that must succeed: assert_ok (store_open (..., &err), err). Prints the error if not.
#define assert_ok(call, err) fixture_ok ((call), &(err), #call, __FILE__, __LINE__)
void fixture_ok (int rc, const berth_error_t *err, const char *call, const char *file, int line);

//  Calls that must fail with a code, written once: assert_fails (call, err, BERTH_INVALID). The
//  sentence must not be empty.
#define assert_fails(call, err, code)                                                              \
    fixture_fails ((call), &(err), (code), #call, __FILE__, __LINE__)
void fixture_fails (int rc, const berth_error_t *err, berth_code_t code, const char *call,
                    const char *file, int line);

//  The same bytes? Prints both in hex if not.
#define assert_bytes(left, right) fixture_bytes ((left), (right), __FILE__, __LINE__)
void fixture_bytes (berth_bytes_t left, berth_bytes_t right, const char *file, int line);

//  Bytes of a literal, which may hold NUL.
#define BYTES_OF(literal)                                                                          \
    ((berth_bytes_t) { (const uint8_t *) (literal), sizeof (literal) - 1 })

//  Numbers that are the same in every run; the seed is printed by who needs another one.
typedef struct {
    uint64_t state;
} fixture_random_t;
uint64_t fixture_random (fixture_random_t *self);
uint64_t fixture_below (fixture_random_t *self, uint64_t bound);

#endif

//  fuzz.h - what the fuzz targets share: properties, and a reader of the input.
//
//  A target is one file with LLVMFuzzerTestOneInput; libFuzzer calls it with whatever bytes. It must
//  be a function of them: no clock, no file, no descriptor of the system's, nothing kept between two
//  calls. What it asserts it asserts by FUZZ_MUST, so that libFuzzer keeps the input.

#ifndef BERTH_FUZZ_H_INCLUDED
#define BERTH_FUZZ_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "schema.h"

//  A property. What does not hold is said, and ends the process.
#define FUZZ_MUST(truth, ...)                                                                      \
    do {                                                                                           \
        if (!(truth))                                                                              \
            fuzz_broken (__FILE__, __LINE__, #truth, __VA_ARGS__);                                 \
    } while (0)
void fuzz_broken (const char *file, int line, const char *what, const char *format, ...)
    __attribute__ ((noreturn)) BERTH_PRINTF (4, 5);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

//  The input, taken from its front; what is not there reads as zero.
typedef struct {
    const uint8_t *at, *end;
} fuzz_input_t;

bool fuzz_more (const fuzz_input_t *self);
//  A number of 1, 2, 4 or 8 bytes, little endian.
uint64_t fuzz_number (fuzz_input_t *self, size_t size);
//  So many bytes, or what is left. They stay where they are.
berth_bytes_t fuzz_bytes (fuzz_input_t *self, size_t size);

//  The schema that two bytes of an input stand for. By the hash of its name, not by its place in the
//  table: a new schema takes its share of the kept corpus and leaves the rest where it was.
const berth_schema_t *fuzz_schema (unsigned number);
unsigned fuzz_schema_number (const berth_schema_t *schema);

//  A failure must have this code and a sentence: one line of text, without control bytes.
void fuzz_check_failure (const berth_error_t *err, berth_code_t code);

#endif

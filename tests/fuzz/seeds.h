//  seeds.h - how a seed is put together.

#ifndef BERTH_SEEDS_H_INCLUDED
#define BERTH_SEEDS_H_INCLUDED

#include "base.h"

typedef struct {
    uint8_t data [4096];
    size_t size;
} seed_t;

void seed_add (seed_t *self, const void *data, size_t size);
//  A number of 1 to 8 bytes, little endian, as fuzz_number reads it.
void seed_number (seed_t *self, uint64_t number, size_t size);
void seed_write (const char *target, const char *name, const void *data, size_t size);

void seeds_shim (void);

#endif

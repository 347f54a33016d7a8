//  far_hash.h - which version of the program a file is.

#ifndef BERTH_FAR_HASH_H_INCLUDED
#define BERTH_FAR_HASH_H_INCLUDED

#include <stdint.h>

enum { FAR_HASH_SIZE = 33 };

//  The hash of a file's bytes, as text, and their number. 0, or -1 with errno.
int far_hash (const char *path, char text [FAR_HASH_SIZE], uint64_t *ret_size);

#endif

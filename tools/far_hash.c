//  far_hash.c - owns the hash by which a copied program is known.

#include "far_hash.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

int
far_hash (const char *path, char text [FAR_HASH_SIZE], uint64_t *ret_size)
{
    struct stat status;
    int file = open (path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    void *bytes = fstat (file, &status) == 0 && status.st_size > 0
        ? mmap (NULL, (size_t) status.st_size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
    close (file);
    if (bytes == MAP_FAILED)
        return -1;
    XXH128_hash_t hash = XXH3_128bits (bytes, (size_t) status.st_size);
    (void) munmap (bytes, (size_t) status.st_size);
    snprintf (text, FAR_HASH_SIZE, "%016llx%016llx", (unsigned long long) hash.high64,
              (unsigned long long) hash.low64);
    *ret_size = (uint64_t) status.st_size;
    return 0;
}

//  store_home.h - a store in a folder of its own, for tests of the store itself.

#ifndef BERTH_STORE_HOME_H_INCLUDED
#define BERTH_STORE_HOME_H_INCLUDED

#include "fixture.h"
#include "store.h"

enum { HOME_SIZE = 64 << 20 };      //  Of the store that home_setup opens

typedef struct {
    char *folder;
    store_t *store;
    arena_t *arena;
    berth_error_t err;
} home_t;

//  For cmocka: *state is a home_t with an open store; with none yet; and its end.
int home_setup (void **state);
int home_setup_bare (void **state);
int home_teardown (void **state);

#endif

//  store_home.c - owns the folder, the store and the arena of a test of the store.

#include "store_home.h"

int
home_setup_bare (void **state)
{
    home_t *home = calloc (1, sizeof *home);
    assert_non_null (home);
    home->folder = fixture_folder_new ();
    home->arena = arena_new ();
    *state = home;
    return 0;
}

int
home_setup (void **state)
{
    (void) home_setup_bare (state);
    home_t *home = *state;
    assert_ok (store_open (home->folder, HOME_SIZE, &home->store, &home->err), home->err);
    return 0;
}

int
home_teardown (void **state)
{
    home_t *home = *state;
    store_destroy (&home->store);
    fixture_folder_destroy (&home->folder);
    arena_destroy (&home->arena);
    free (home);
    return 0;
}

//  tree_fixture.h - what the tests of tree share: a folder per test with `source`, `place` and the
//  snapshot `snap` in it, and one who swaps names while we work. Names are relative to the folder.

#ifndef BERTH_TREE_FIXTURE_H_INCLUDED
#define BERTH_TREE_FIXTURE_H_INCLUDED

#include "fixture.h"
#include "tree.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

//  Before and after a test: the folder with an empty `source`; tree_remove takes it away.
int folder_setup (void **state);
int folder_teardown (void **state);

//  The whole path; the last eight stay valid.
const char *in (const char *name);

void folder_write (const char *name, const char *text);
//  What a file holds, or the name of the errno; the last four stay valid.
const char *folder_read (const char *name);
void folder_make (const char *name);
bool folder_there (const char *name);
mode_t folder_mode (const char *name);

//  Options that report into folder_reports, one line each, emptied here.
extern char folder_reports [16384];
tree_options_t folder_options (void);

//  source > place, and back; both must succeed.
void folder_copy (void);
tree_result_t folder_return (bool dry);

//  Takes the file `stream` in beneath `into`, which is made; reports go to folder_reports. `removed`:
//  as tree_unpack has it. The second must succeed.
int folder_try_unpack (const char *into, const char *removed, const tree_options_t *options,
                       tree_progress_t *done, berth_error_t *err);
tree_progress_t folder_unpack (const char *into, const char *removed);

//  Exchanges names as fast as it can: a folder with a link to what must stay outside.
typedef struct {
    char left [4096], right [4096];
    atomic_bool stop;
    pthread_t thread;
} swapper_t;

void swapper_start (swapper_t *self, const char *left, const char *right);
void swapper_end (swapper_t *self);

//  A folder `outside` with a secret, and in `folder` names to swap: a folder d, a file f, and the
//  links l and m that lead outside.
void folder_hostile (const char *folder);
void folder_not_secret (const char *name);

//  Runs what needs to be somebody else, without root's rights. The function returns 0 if all is
//  well, else a line number: EXPECT does.
void folder_as_nobody (int (*work) (void));

#define EXPECT(truth)                                                                              \
    do {                                                                                           \
        if (!(truth))                                                                              \
            return __LINE__;                                                                       \
    } while (0)

#endif

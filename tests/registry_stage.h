//  registry_stage.h - a stage with the registry on it, and environments by a line of JSON.

#ifndef BERTH_REGISTRY_STAGE_H_INCLUDED
#define BERTH_REGISTRY_STAGE_H_INCLUDED

#include "stage.h"

#define ID1 "11111111-1111-7111-8111-111111111111"
#define ID2 "22222222-2222-7222-8222-222222222222"
#define ID3 "33333333-3333-7333-8333-333333333333"

#define SSH "'driver':'ssh','config':{'host':'h','username':'u','remoteWorkspacePath':'/w'}"
#define BWRAP "'driver':'sandbox','config':{'provider':'bubblewrap'}"

int registry_stage_setup (void **state);
int registry_stage_teardown (void **state);
#define REGISTRY_TEST(name)                                                                        \
    cmocka_unit_test_setup_teardown (name, registry_stage_setup, registry_stage_teardown)

//  environment.create: its id.
const char *registry_stage_create (stage_t *stage, const char *json);

#endif

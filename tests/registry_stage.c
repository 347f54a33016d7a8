//  registry_stage.c - owns the registry of the running test.

#include "registry_stage.h"

#include "registry.h"

static registry_t *s_registry;

int
registry_stage_setup (void **state)
{
    berth_error_t err = { 0 };
    stage_t *stage = stage_new ();
    s_registry = registry_new (&stage->context, &err);
    stage->actor = registry_kit (s_registry);
    *state = stage;
    return 0;
}

int
registry_stage_teardown (void **state)
{
    registry_destroy (&s_registry);
    stage_destroy ((stage_t **) state);
    return 0;
}

const char *
registry_stage_create (stage_t *stage, const char *json)
{
    return stage_text (stage, stage_ok (stage, REQUEST_ENVIRONMENT_CREATE, json), "id");
}

//  places_verbs.c - owns nothing: verbs of a provider whose places are all they need.

#include "places.h"

static places_t *
s_places (void *object)
{
    places_owner_t *owner = object;
    CHECK (owner, PLACES_OWNER_MAGIC);
    return owner->places;
}

int
places_verb_resume (void *object, const place_open_t *ask, const char *provider_lease,
                    int64_t deadline_ms, arena_t *arena, place_opened_t *ret_place,
                    berth_error_t *err)
{
    return places_resume (s_places (object), ask, NULL, provider_lease, deadline_ms, arena,
                          ret_place, err);
}

int
places_verb_close (void *object, const place_close_t *ask, int64_t deadline_ms, berth_error_t *err)
{
    return places_close (s_places (object), ask, deadline_ms, err);
}

void
places_verb_prepare (void *object)
{
    places_prepare (s_places (object));
}

int
places_verb_give_back (void *object, const place_return_t *ask, provider_progress_fn *progress,
                       void *context, int64_t deadline_ms, arena_t *arena,
                       workspace_returned_t *ret_returned, berth_error_t *err)
{
    return places_give_back (s_places (object), ask, progress, context, deadline_ms, arena,
                             ret_returned, err);
}

int
places_verb_list (void *object, provider_each_fn *each, void *context, int64_t deadline_ms,
                  berth_error_t *err)
{
    (void) deadline_ms;             //  A folder of this host
    return places_list (s_places (object), each, context, err);
}

//  proxy_list.c - owns what is read of a provider's list while it is listed.

#include "proxy_list.h"

#include "codec.h"
#include "ids.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 512, COMPANY_MAX_BYTES = 64, FIRST_ROOM = 64 };

typedef struct {
    const char *install, *former;
    arena_t *arena;
    place_listed_t *items;
    size_t count, room;
    const char *wrong;              //  Why nothing of it is believed; NULL: it is
} list_t;

static int
s_wrong (list_t *self, const char *why)
{
    self->wrong = why;
    return -1;
}

static void
s_room (list_t *self)
{
    if (self->count < self->room)
        return;
    size_t room = self->room ? 2 * self->room : FIRST_ROOM;
    place_listed_t *items = arena_array (self->arena, room, place_listed_t);
    if (self->count)
        memcpy (items, self->items, self->count * sizeof *items);
    self->items = items;
    self->room = room;
}

static int
s_each (void *context, const char *name, berth_bytes_t labels)
{
    list_t *self = context;
    size_t size = name ? strnlen (name, NAME_MAX_BYTES + 1) : 0;
    if (size == 0 || size > NAME_MAX_BYTES || !wire_is_text ((const uint8_t *) name, size))
        return s_wrong (self, "a place without a name");
    if (labels.size && wire_check (labels, BERTH_DEPTH_MAX, BERTH_ELEMENTS_MAX, NULL))
        return s_wrong (self, "labels that are none");
    const char *install = labels.size ? any_text (labels, "install", self->arena) : NULL;
    bool former = install && self->former && strcmp (install, self->former) == 0;
    if (!install || (!former && strcmp (install, self->install)))
        return 0;
    const char *lease = any_text (labels, "lease", self->arena);
    if (!lease || !berth_id_is (lease))
        return s_wrong (self, "a place of ours without a lease's id");
    if (self->count >= BERTH_SWEEP_PLACES)
        return s_wrong (self, "more places than can be read");
    const char *company = any_text (labels, "company", self->arena);
    if (company && strlen (company) > COMPANY_MAX_BYTES)
        return s_wrong (self, "a place of ours with a company that is none");
    s_room (self);
    self->items [self->count++] = (place_listed_t) {
        .provider_lease = arena_string (self->arena, name), .lease = lease,
        .company = company,
    };
    if (former)
        berth_put (place_listed, &self->items [self->count - 1], former, true);
    return 0;
}

static int
s_order (const void *left, const void *right)
{
    return strcmp (((const place_listed_t *) left)->provider_lease,
                   ((const place_listed_t *) right)->provider_lease);
}

//  Sorts; one place that is named twice is one, unless it is said to be of two leases.
static int
s_sort (list_t *self)
{
    size_t kept = 0;
    if (self->count)
        qsort (self->items, self->count, sizeof *self->items, s_order);
    for (size_t index = 0; index < self->count; index++) {
        const place_listed_t *item = &self->items [index];
        if (kept && s_order (&self->items [kept - 1], item) == 0) {
            if (strcmp (self->items [kept - 1].lease, item->lease))
                return s_wrong (self, "one place as that of two leases");
        }
        else
            self->items [kept++] = *item;
    }
    self->count = kept;
    return 0;
}

static void
s_page (const list_t *self, const place_list_t *ask, place_list_page_t *page)
{
    size_t first = 0;
    while (ask->after && first < self->count
           && strcmp (self->items [first].provider_lease, ask->after) <= 0)
        first++;
    size_t left = self->count - first;
    page->items.items = self->items + first;
    page->items.count = left < BERTH_SWEEP_PAGE ? left : BERTH_SWEEP_PAGE;
    page->more = left > BERTH_SWEEP_PAGE;
    const char **missing = arena_array (self->arena, ask->expected.count + 1, const char *);
    size_t count = 0;
    for (size_t index = 0; index < ask->expected.count; index++) {
        place_listed_t named = { .provider_lease = ask->expected.items [index] };
        if (!self->count || !bsearch (&named, self->items, self->count, sizeof named, s_order))
            missing [count++] = named.provider_lease;
    }
    page->missing.items = missing;
    page->missing.count = count;
}

int
proxy_list (const provider_t *provider, void *self, const char *install, const char *former,
            const place_list_t *ask, int64_t deadline_ms, arena_t *arena, place_list_page_t *ret_page, berth_error_t *err)
{
    list_t list = { .install = install, .former = former, .arena = arena };
    if (!provider->list)
        return berth_fail (err, BERTH_UNSUPPORTED, "provider %s has no verb 'list'", provider->name);
    int rc = provider->list (self, s_each, &list, deadline_ms, err);
    if (!list.wrong && rc)
        return -1;
    if (list.wrong || s_sort (&list)) {
        *err = (berth_error_t) { .code = BERTH_OK };
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the list of provider %s is not to be believed:"
                           " it names %s", provider->name, list.wrong);
    }
    s_page (&list, ask, ret_page);
    return 0;
}

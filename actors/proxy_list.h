//  proxy_list.h - a provider's list of places, as far as it can be believed.

#ifndef BERTH_PROXY_LIST_H_INCLUDED
#define BERTH_PROXY_LIST_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "provider.h"
#include "sweep.h"

//  Lists the places that have the label of `install`, by name, a page behind ask->after. What is of
//  other installs, or has no label, is passed over. Errors: provider_error (the list names something
//  that is no place of ours, or one place twice for different leases: none of it is believed),
//  unsupported (no such verb), and those of the provider.
//  `former` is the install whose backup this store is, or NULL: its places are told as such.
int proxy_list (const provider_t *provider, void *self, const char *install, const char *former,
                const place_list_t *ask, int64_t deadline_ms, arena_t *arena,
                place_list_page_t *ret_page, berth_error_t *err);

#endif

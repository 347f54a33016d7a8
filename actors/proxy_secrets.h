//  proxy_secrets.h - secrets of a config, opened for one call of a provider and gone with it.

#ifndef BERTH_PROXY_SECRETS_H_INCLUDED
#define BERTH_PROXY_SECRETS_H_INCLUDED

#include "context.h"
#include "error.h"

//  `ask` is the unpacked body of a call of type place.open, resume or probe: in its config, each field
//  that refers to a secret gets its value, in `arena`, which is wiped when it is cleared. Another type:
//  nothing. Each use is entered, through the actor of secrets. Errors: as secret_use ().
int proxy_secrets (const context_t *context, post_t *post, const letter_t *letter,
                   const provider_t *provider, void *ask, arena_t *arena, berth_error_t *err);

#endif

//  trust.h - who may do what, in memory: principals, their roles and companies.
//
//  The store has the truth; the actor of keys replaces what stands here behind each commit, so that
//  a change works at once. Any thread may ask; nothing here waits for the store.

#ifndef BERTH_TRUST_H_INCLUDED
#define BERTH_TRUST_H_INCLUDED

#include "key.h"

typedef struct trust trust_t;

enum { TRUST_NAME_SIZE = 64, TRUST_COMPANY_SIZE = 66 };

//  What holds for a principal at this moment.
typedef struct {
    unsigned roles;                 //  ROLE_...
    bool everywhere;                //  All companies are its own
    uint64_t narrowed;              //  Another number each time that rights were taken from it
} standing_t;

trust_t *trust_new (void);
void trust_destroy (trust_t **self_p);

//  A principal that has no key: whoever comes by a socket of this machine. No companies: all.
//  Before any other thread asks.
void trust_add_local (trust_t *self, const char *name, unsigned roles, berth_strs_t companies);

//  Host folders beneath which anybody's workspaces may lie. Before any other thread asks.
void trust_set_roots (trust_t *self, berth_blobs_t roots);

//  May driver `local` be used over the network? (No.) Before any other thread asks.
void trust_set_local (trust_t *self, bool allowed);
bool trust_local (const trust_t *self);

//  Replaces all principals that have keys; what is given is copied.
void trust_replace (trust_t *self, const principal_t *rows, size_t count);

//  The principal of a public key (Z85); false if none that is good has it.
bool trust_admits (trust_t *self, const char *public_key, char ret_name [TRUST_NAME_SIZE]);

//  How a principal stands; false if there is none of that name, or its key was revoked.
bool trust_standing (trust_t *self, const char *name, standing_t *ret_standing);

//  Does a company exist for a principal?
bool trust_sees (trust_t *self, const char *name, const char *company);

//  The company of a principal that has exactly one.
bool trust_only (trust_t *self, const char *name, char ret_company [TRUST_COMPANY_SIZE]);

//  Does a path lie beneath a folder where this principal's workspaces may lie? By its text only:
//  it must be absolute, without `.`, `..` and doubled slashes.
bool trust_roots (trust_t *self, const char *name, berth_bytes_t path);

//  Numbers that grow: with each replacement; with one that changed what a known principal may do;
//  with one that took rights from somebody; with one that revoked a key.
uint64_t trust_version (const trust_t *self);
uint64_t trust_changed (const trust_t *self);
uint64_t trust_narrowed (const trust_t *self);
uint64_t trust_revoked (const trust_t *self);

size_t trust_keys (trust_t *self);  //  That are good

#endif

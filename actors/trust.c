//  trust.c - owns the principals as they stand: one table, replaced as a whole.

#include "trust.h"

#include "arena.h"
#include "requests.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRUST_MAGIC 0x72057001u

typedef struct {
    const char *name;
    const char *key;                //  Z85; NULL of one that has none
    standing_t standing;
    bool good;
    berth_strs_t companies;
    berth_blobs_t roots;
} entry_t;

typedef struct {
    arena_t *arena;                 //  Of all that the entries point to
    entry_t *entries;               //  By name
    const entry_t **by_key;
    size_t count, keys;
} snapshot_t;

struct trust {
    uint32_t magic;
    pthread_rwlock_t lock;          //  Of `now`
    snapshot_t now;
    arena_t *arena;                 //  Of what follows, which does not change
    entry_t locals [16];
    size_t locals_count;
    berth_blobs_t roots;
    bool local;
    atomic_uint_fast64_t version, changed, narrowed, revoked;
};

trust_t *
trust_new (void)
{
    trust_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = TRUST_MAGIC;
    ENSURE (pthread_rwlock_init (&self->lock, NULL) == 0);
    self->arena = arena_new ();
    return self;
}

static void
s_forget (snapshot_t *snapshot)
{
    arena_destroy (&snapshot->arena);
    *snapshot = (snapshot_t) { 0 };
}

void
trust_destroy (trust_t **self_p)
{
    trust_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, TRUST_MAGIC);
    s_forget (&self->now);
    arena_destroy (&self->arena);
    pthread_rwlock_destroy (&self->lock);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

//  ---- copies

static berth_strs_t
s_texts (berth_strs_t texts, arena_t *arena)
{
    const char **items = arena_array (arena, texts.count + 1, const char *);
    for (size_t index = 0; index < texts.count; index++)
        items [index] = arena_string (arena, texts.items [index]);
    return (berth_strs_t) { texts.count, items };
}

static berth_blobs_t
s_paths (berth_blobs_t paths, arena_t *arena)
{
    berth_bytes_t *items = arena_array (arena, paths.count + 1, berth_bytes_t);
    for (size_t index = 0; index < paths.count; index++)
        items [index] = (berth_bytes_t) {
            arena_copy (arena, paths.items [index].data, paths.items [index].size),
            paths.items [index].size
        };
    return (berth_blobs_t) { paths.count, items };
}

static unsigned
s_roles (berth_strs_t texts)
{
    unsigned roles = 0;
    for (size_t index = 0; index < texts.count; index++)
        for (unsigned bit = 0; role_text (bit); bit++)
            if (bit != ROLE_BIT_INTERNAL && strcmp (texts.items [index], role_text (bit)) == 0)
                roles |= 1u << bit;
    return roles;
}

static bool
s_has (berth_strs_t companies, const char *company)
{
    for (size_t index = 0; index < companies.count; index++)
        if (strcmp (companies.items [index], company) == 0)
            return true;
    return false;
}

void
trust_add_local (trust_t *self, const char *name, unsigned roles, berth_strs_t companies)
{
    CHECK (self, TRUST_MAGIC);
    ENSURE (self->locals_count < BERTH_COUNT (self->locals));
    self->locals [self->locals_count++] = (entry_t) {
        .name = arena_string (self->arena, name), .good = true,
        .standing = { .roles = roles, .everywhere = !companies.count || s_has (companies, "*") },
        .companies = s_texts (companies, self->arena),
    };
}

void
trust_set_roots (trust_t *self, berth_blobs_t roots)
{
    CHECK (self, TRUST_MAGIC);
    self->roots = s_paths (roots, self->arena);
}

void
trust_set_local (trust_t *self, bool allowed)
{
    CHECK (self, TRUST_MAGIC);
    self->local = allowed;
}

bool
trust_local (const trust_t *self)
{
    return self->local;
}

//  ---- looking

static int
s_compare_names (const void *left, const void *right)
{
    return strcmp (((const entry_t *) left)->name, ((const entry_t *) right)->name);
}

static int
s_compare_keys (const void *left, const void *right)
{
    return strcmp ((*(const entry_t *const *) left)->key, (*(const entry_t *const *) right)->key);
}

static const entry_t *
s_find (const trust_t *self, const char *name)
{
    for (size_t index = 0; index < self->locals_count; index++)
        if (strcmp (self->locals [index].name, name) == 0)
            return &self->locals [index];
    entry_t wanted = { .name = name };
    return self->now.count ? bsearch (&wanted, self->now.entries, self->now.count, sizeof wanted,
                                      s_compare_names) : NULL;
}

bool
trust_admits (trust_t *self, const char *public_key, char ret_name [TRUST_NAME_SIZE])
{
    CHECK (self, TRUST_MAGIC);
    entry_t wanted = { .key = public_key };
    const entry_t *at = &wanted;
    pthread_rwlock_rdlock (&self->lock);
    const entry_t **found = self->now.keys
        ? bsearch (&at, self->now.by_key, self->now.keys, sizeof at, s_compare_keys) : NULL;
    if (found)
        snprintf (ret_name, TRUST_NAME_SIZE, "%s", (*found)->name);
    pthread_rwlock_unlock (&self->lock);
    return found != NULL;
}

bool
trust_standing (trust_t *self, const char *name, standing_t *ret_standing)
{
    CHECK (self, TRUST_MAGIC);
    pthread_rwlock_rdlock (&self->lock);
    const entry_t *entry = s_find (self, name);
    bool good = entry && entry->good;
    if (good)
        *ret_standing = entry->standing;
    pthread_rwlock_unlock (&self->lock);
    return good;
}

bool
trust_sees (trust_t *self, const char *name, const char *company)
{
    CHECK (self, TRUST_MAGIC);
    pthread_rwlock_rdlock (&self->lock);
    const entry_t *entry = s_find (self, name);
    bool sees = entry && entry->good
        && (entry->standing.everywhere || s_has (entry->companies, company));
    pthread_rwlock_unlock (&self->lock);
    return sees;
}

bool
trust_only (trust_t *self, const char *name, char ret_company [TRUST_COMPANY_SIZE])
{
    CHECK (self, TRUST_MAGIC);
    pthread_rwlock_rdlock (&self->lock);
    const entry_t *entry = s_find (self, name);
    bool only = entry && entry->good && !entry->standing.everywhere && entry->companies.count == 1;
    if (only)
        snprintf (ret_company, TRUST_COMPANY_SIZE, "%s", entry->companies.items [0]);
    pthread_rwlock_unlock (&self->lock);
    return only;
}

static bool
s_is_plain (berth_bytes_t path)
{
    if (path.size == 0 || path.data [0] != '/')
        return false;
    for (size_t begin = 1, at = 1; at <= path.size; at++)
        if (at == path.size || path.data [at] == '/') {
            size_t size = at - begin;
            const uint8_t *part = path.data + begin;
            bool last = at == path.size;
            if ((size == 0 && !last) || (size == 1 && part [0] == '.')
                || (size == 2 && part [0] == '.' && part [1] == '.'))
                return false;
            begin = at + 1;
        }
    return true;
}

static bool
s_beneath (berth_blobs_t roots, berth_bytes_t path)
{
    for (size_t index = 0; index < roots.count; index++) {
        berth_bytes_t root = roots.items [index];
        while (root.size && root.data [root.size - 1] == '/')
            root.size--;
        if (path.size >= root.size && (!root.size || memcmp (path.data, root.data, root.size) == 0)
            && (path.size == root.size || path.data [root.size] == '/'))
            return true;
    }
    return false;
}

bool
trust_roots (trust_t *self, const char *name, berth_bytes_t path)
{
    CHECK (self, TRUST_MAGIC);
    if (!s_is_plain (path))
        return false;
    if (s_beneath (self->roots, path))
        return true;
    pthread_rwlock_rdlock (&self->lock);
    const entry_t *entry = s_find (self, name);
    bool beneath = entry && entry->good && s_beneath (entry->roots, path);
    pthread_rwlock_unlock (&self->lock);
    return beneath;
}

uint64_t
trust_version (const trust_t *self)
{
    return self->version;
}

uint64_t
trust_changed (const trust_t *self)
{
    return self->changed;
}

uint64_t
trust_narrowed (const trust_t *self)
{
    return self->narrowed;
}

uint64_t
trust_revoked (const trust_t *self)
{
    return self->revoked;
}

size_t
trust_keys (trust_t *self)
{
    pthread_rwlock_rdlock (&self->lock);
    size_t keys = self->now.keys;
    pthread_rwlock_unlock (&self->lock);
    return keys;
}

//  ---- replacing

//  Does `now` have less than it had before?
static bool
s_is_narrower (const entry_t *before, const entry_t *now)
{
    if ((before->good && !now->good) || (before->standing.roles & ~now->standing.roles))
        return true;
    if (now->standing.everywhere)
        return false;
    if (before->standing.everywhere)
        return true;
    for (size_t index = 0; index < before->companies.count; index++)
        if (!s_has (now->companies, before->companies.items [index]))
            return true;
    return false;
}

void
trust_replace (trust_t *self, const principal_t *rows, size_t count)
{
    CHECK (self, TRUST_MAGIC);
    snapshot_t next = { .arena = arena_new (), .count = count };
    next.entries = arena_array (next.arena, count + 1, entry_t);
    next.by_key = arena_array (next.arena, count + 1, const entry_t *);
    uint64_t version = self->version + 1;
    bool changed = false, narrowed = false, revoked = false;
    for (size_t index = 0; index < count; index++) {
        const principal_t *row = &rows [index];
        next.entries [index] = (entry_t) {
            .name = arena_string (next.arena, row->id),
            .key = arena_string (next.arena, row->public_key),
            .good = row->revoked_at == 0,
            .companies = s_texts (row->companies, next.arena),
            .roots = s_paths (row->roots, next.arena),
            .standing = { .roles = s_roles (row->roles), .everywhere = s_has (row->companies, "*"),
                          .narrowed = version },
        };
    }
    if (count)
        qsort (next.entries, count, sizeof *next.entries, s_compare_names);
    for (size_t index = 0; index < count; index++) {
        entry_t *entry = &next.entries [index];
        const entry_t *before = s_find (self, entry->name);
        bool narrower = before && s_is_narrower (before, entry);
        if (before && !narrower)
            entry->standing.narrowed = before->standing.narrowed;
        changed |= before && (narrower || s_is_narrower (entry, before));
        narrowed |= narrower;
        revoked |= narrower && !entry->good;
        if (entry->good)
            next.by_key [next.keys++] = entry;
    }
    if (next.keys)
        qsort (next.by_key, next.keys, sizeof *next.by_key, s_compare_keys);
    pthread_rwlock_wrlock (&self->lock);
    snapshot_t before = self->now;
    self->now = next;
    pthread_rwlock_unlock (&self->lock);
    if (changed)
        self->changed = version;
    if (revoked)
        self->revoked = version;
    if (narrowed)
        self->narrowed = version;
    self->version = version;
    s_forget (&before);
}

//  vault.c - owns the master keys in memory, and what is sealed by them.

#include "vault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VAULT_MAGIC 0x7a011701u

enum {
    FORMAT = 1,                     //  First byte of what is sealed
    NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    FILE_MAX = 4096
};

typedef struct {
    char id [VAULT_ID_SIZE];
    uint8_t *key;                   //  Locked
} master_t;

struct vault {
    uint32_t magic;
    pthread_rwlock_t lock;          //  Of what follows
    size_t count;
    master_t masters [VAULT_KEYS_MAX];      //  The newest first
};

vault_t *
vault_new (void)
{
    ENSURE (sodium_init () >= 0);
    vault_t *self = calloc (1, sizeof (vault_t));
    ENSURE (self && pthread_rwlock_init (&self->lock, NULL) == 0);
    self->magic = VAULT_MAGIC;
    return self;
}

void
vault_destroy (vault_t **self_p)
{
    vault_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, VAULT_MAGIC);
    while (self->count)
        sodium_free (self->masters [--self->count].key);
    pthread_rwlock_destroy (&self->lock);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

//  ---- master keys

//  Where a master key's id comes from: a keyed hash of nothing, so that it says nothing of the key.
static void
s_name (master_t *master)
{
    static const uint8_t purpose [] = "berth master key";
    uint8_t hash [(VAULT_ID_SIZE - 1) / 2];
    crypto_generichash (hash, sizeof hash, purpose, sizeof purpose, master->key, VAULT_KEY_SIZE);
    sodium_bin2hex (master->id, sizeof master->id, hash, sizeof hash);
}

//  64 hex digits, base64 of 32 bytes, or 32 characters: as Paperclip reads them (reference, section 9).
static bool
s_parse (const char *text, size_t size, uint8_t key [VAULT_KEY_SIZE])
{
    size_t made = 0;
    if (size == 2 * VAULT_KEY_SIZE
        && sodium_hex2bin (key, VAULT_KEY_SIZE, text, size, NULL, &made, NULL) == 0
        && made == VAULT_KEY_SIZE)
        return true;
    if (sodium_base642bin (key, VAULT_KEY_SIZE, text, size, NULL, &made, NULL,
                           sodium_base64_VARIANT_ORIGINAL) == 0 && made == VAULT_KEY_SIZE)
        return true;
    if (size != VAULT_KEY_SIZE)
        return false;
    memcpy (key, text, size);
    return true;
}

static int
s_keep (vault_t *self, const char *line, size_t size, size_t at, berth_error_t *err)
{
    master_t master = { .key = sodium_malloc (VAULT_KEY_SIZE) };
    if (!master.key)
        return berth_fail (err, BERTH_INTERNAL, "there is no memory that can be locked");
    if (self->count == VAULT_KEYS_MAX || !s_parse (line, size, master.key)) {
        sodium_free (master.key);
        berth_error_set (err->remedy, sizeof err->remedy, "openssl rand -hex 32");
        return self->count == VAULT_KEYS_MAX
            ? berth_fail (err, BERTH_INVALID, "there are more than %d master keys", VAULT_KEYS_MAX)
            : berth_fail (err, BERTH_INVALID, "a master key is 64 hex digits, base64 of 32 bytes, or "
                          "32 characters; this one is %zu bytes of something else", size);
    }
    sodium_mprotect_readonly (master.key);
    s_name (&master);
    memmove (&self->masters [at + 1], &self->masters [at], (self->count - at) * sizeof master);
    self->masters [at] = master;
    self->count++;
    return 0;
}

int
vault_add (vault_t *self, const char *text, berth_error_t *err)
{
    CHECK (self, VAULT_MAGIC);
    size_t before = self->count;
    for (const char *line = text; *line;) {
        size_t size = strcspn (line, "\r\n");
        if (size && line [0] != '#' && s_keep (self, line, size, self->count, err))
            return -1;
        line += size;
        line += strspn (line, "\r\n");
    }
    return self->count > before ? 0
        : berth_fail (err, BERTH_INVALID, "there is no master key where one was to be");
}

//  The whole text of a file that nobody else may read.
static int
s_slurp (const char *path, char text [FILE_MAX], berth_error_t *err)
{
    int file = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0)
        return berth_fail_errno (err, errno == ENOENT ? BERTH_NOT_FOUND : BERTH_FORBIDDEN,
                                 "cannot read the master key in %s", path);
    struct stat about;
    ssize_t size = -1;
    int rc = fstat (file, &about);
    if (rc == 0 && S_ISREG (about.st_mode) && (about.st_mode & 077) == 0)
        size = read (file, text, FILE_MAX);
    close (file);
    if (rc == 0 && (!S_ISREG (about.st_mode) || (about.st_mode & 077))) {
        berth_error_set (err->remedy, sizeof err->remedy, "chmod 600 %s", path);
        return berth_fail (err, BERTH_FORBIDDEN, "%s is the master key of all secrets, and others can "
                           "read it", path);
    }
    if (size < 0 || size == FILE_MAX)
        return berth_fail (err, BERTH_INVALID, "%s holds no master keys", path);
    text [size] = 0;
    return 0;
}

int
vault_read (vault_t *self, const char *path, berth_error_t *err)
{
    char text [FILE_MAX];
    int rc = s_slurp (path, text, err) || vault_add (self, text, err) ? -1 : 0;
    explicit_bzero (text, sizeof text);
    return rc;
}

static int
s_write (const vault_t *self, const char *path, size_t count, berth_error_t *err)
{
    char fresh [4200], line [2 * VAULT_KEY_SIZE + 2], folder [4200];
    snprintf (fresh, sizeof fresh, "%s.new", path);
    int file = open (fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return berth_fail_errno (err, BERTH_FORBIDDEN, "cannot write the master key to %s", fresh);
    int rc = fchmod (file, 0600);
    for (size_t index = 0; rc == 0 && index < count; index++) {
        sodium_bin2hex (line, sizeof line, self->masters [index].key, VAULT_KEY_SIZE);
        line [2 * VAULT_KEY_SIZE] = '\n';
        if (write (file, line, 2 * VAULT_KEY_SIZE + 1) != 2 * VAULT_KEY_SIZE + 1)
            rc = -1;
    }
    explicit_bzero (line, sizeof line);
    if (rc || fsync (file) || rename (fresh, path))
        rc = berth_fail_errno (err, BERTH_FORBIDDEN, "cannot write the master key to %s", path);
    close (file);
    if (rc) {
        unlink (fresh);
        return -1;
    }
    snprintf (folder, sizeof folder, "%s", path);
    char *slash = strrchr (folder, '/');
    if (slash)
        slash [slash == folder] = 0;
    int at = open (slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at >= 0) {
        (void) fsync (at);
        close (at);
    }
    return 0;
}

int
vault_make (vault_t *self, const char *path, berth_error_t *err)
{
    CHECK (self, VAULT_MAGIC);
    uint8_t random [VAULT_KEY_SIZE];
    char text [2 * VAULT_KEY_SIZE + 1];
    randombytes_buf (random, sizeof random);
    sodium_bin2hex (text, sizeof text, random, sizeof random);
    pthread_rwlock_wrlock (&self->lock);
    int rc = s_keep (self, text, sizeof text - 1, 0, err);
    if (rc == 0 && path && (rc = s_write (self, path, self->count, err))) {
        sodium_free (self->masters [0].key);
        self->count--;
        memmove (&self->masters [0], &self->masters [1], self->count * sizeof self->masters [0]);
    }
    pthread_rwlock_unlock (&self->lock);
    explicit_bzero (random, sizeof random);
    explicit_bzero (text, sizeof text);
    return rc;
}

int
vault_retire (vault_t *self, const char *path, berth_error_t *err)
{
    CHECK (self, VAULT_MAGIC);
    ENSURE (self->count);
    pthread_rwlock_wrlock (&self->lock);
    int rc = path ? s_write (self, path, 1, err) : 0;
    while (rc == 0 && self->count > 1)
        sodium_free (self->masters [--self->count].key);
    pthread_rwlock_unlock (&self->lock);
    return rc;
}

const char *
vault_id (const vault_t *self)
{
    CHECK (self, VAULT_MAGIC);
    return self->count ? self->masters [0].id : NULL;
}

static const master_t *
s_find (const vault_t *self, const char *id)
{
    for (size_t index = 0; index < self->count; index++)
        if (strcmp (self->masters [index].id, id) == 0)
            return &self->masters [index];
    return NULL;
}

bool
vault_has (const vault_t *self, const char *id)
{
    CHECK (self, VAULT_MAGIC);
    return s_find (self, id) != NULL;
}

//  ---- sealing

//  Format, nonce, ciphertext with its tag.
static berth_bytes_t
s_seal (const uint8_t key [VAULT_KEY_SIZE], const char *purpose, berth_bytes_t value, arena_t *arena)
{
    uint8_t *sealed = arena_take (arena, 1 + NONCE + value.size + TAG);
    sealed [0] = FORMAT;
    randombytes_buf (sealed + 1, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt (sealed + 1 + NONCE, NULL, value.data, value.size,
                                                (const uint8_t *) purpose, strlen (purpose), NULL,
                                                sealed + 1, key);
    return (berth_bytes_t) { sealed, 1 + NONCE + value.size + TAG };
}

//  ret_value: of sealed.size - 1 - NONCE - TAG bytes.
static bool
s_open (const uint8_t key [VAULT_KEY_SIZE], const char *purpose, berth_bytes_t sealed, uint8_t *ret_value)
{
    return sealed.size >= 1 + NONCE + TAG && sealed.data [0] == FORMAT
        && crypto_aead_xchacha20poly1305_ietf_decrypt (ret_value, NULL, NULL, sealed.data + 1 + NONCE,
                                                       sealed.size - 1 - NONCE, (const uint8_t *) purpose,
                                                       strlen (purpose), sealed.data + 1, key) == 0;
}

static const char *
s_key_purpose (const char *company, arena_t *arena)
{
    return arena_printf (arena, "berth company key\n%s", company);
}

//  The company's key, locked; NULL with *err.
static uint8_t *
s_unwrap (vault_t *self, const company_key_t *key, arena_t *arena, berth_error_t *err)
{
    uint8_t *open = sodium_malloc (VAULT_KEY_SIZE);
    ENSURE (open);
    pthread_rwlock_rdlock (&self->lock);
    const master_t *master = s_find (self, key->master);
    bool known = master != NULL;
    bool good = known && key->wrapped.size == 1 + NONCE + VAULT_KEY_SIZE + TAG
             && s_open (master->key, s_key_purpose (key->company, arena), key->wrapped, open);
    pthread_rwlock_unlock (&self->lock);
    if (good)
        return open;
    sodium_free (open);
    if (!known)
        berth_error_set (err->remedy, sizeof err->remedy, "start the service with the master key %s",
                         key->master);
    (void) berth_fail (err, BERTH_INTERNAL, known
                       ? "the key of company '%s' does not open: the store was changed by somebody else"
                       : "the secrets of company '%s' are sealed by a master key that is not there",
                       key->company);
    return NULL;
}

static int
s_wrap (vault_t *self, const char *company, const uint8_t *open, arena_t *arena, company_key_t *ret_key,
        berth_error_t *err)
{
    pthread_rwlock_rdlock (&self->lock);
    bool has = self->count > 0;
    if (has) {
        ret_key->company = company;
        ret_key->master = arena_string (arena, self->masters [0].id);
        ret_key->wrapped = s_seal (self->masters [0].key, s_key_purpose (company, arena),
                                   (berth_bytes_t) { open, VAULT_KEY_SIZE }, arena);
    }
    pthread_rwlock_unlock (&self->lock);
    return has ? 0 : berth_fail (err, BERTH_UNSUPPORTED, "this service has no master key: it keeps no "
                                 "secrets");
}

int
vault_company (vault_t *self, const char *company, arena_t *arena, company_key_t *ret_key,
               berth_error_t *err)
{
    CHECK (self, VAULT_MAGIC);
    uint8_t *fresh = sodium_malloc (VAULT_KEY_SIZE);
    ENSURE (fresh);
    randombytes_buf (fresh, VAULT_KEY_SIZE);
    int rc = s_wrap (self, company, fresh, arena, ret_key, err);
    sodium_free (fresh);
    return rc;
}

int
vault_reseal (vault_t *self, const company_key_t *key, arena_t *arena, company_key_t *ret_key,
              berth_error_t *err)
{
    CHECK (self, VAULT_MAGIC);
    uint8_t *open = s_unwrap (self, key, arena, err);
    if (!open)
        return -1;
    company_key_t sealed = *key;
    int rc = s_wrap (self, key->company, open, arena, &sealed, err);
    sodium_free (open);
    if (rc == 0)
        *ret_key = sealed;
    return rc;
}

static const char *
s_value_purpose (const char *company, const char *secret, uint64_t version, arena_t *arena)
{
    return arena_printf (arena, "berth secret\n%s\n%s\n%llu", company, secret,
                         (unsigned long long) version);
}

int
vault_seal (vault_t *self, const company_key_t *key, const char *secret, uint64_t version,
            berth_bytes_t value, arena_t *arena, berth_bytes_t *ret_material, berth_error_t *err)
{
    CHECK (self, VAULT_MAGIC);
    uint8_t *open = s_unwrap (self, key, arena, err);
    if (!open)
        return -1;
    *ret_material = s_seal (open, s_value_purpose (key->company, secret, version, arena), value, arena);
    sodium_free (open);
    return 0;
}

int
vault_open (vault_t *self, const company_key_t *key, const secret_version_t *version, arena_t *arena,
            berth_bytes_t *ret_value, berth_error_t *err)
{
    CHECK (self, VAULT_MAGIC);
    uint8_t *open = s_unwrap (self, key, arena, err);
    if (!open)
        return -1;
    arena_guard (arena);
    size_t least = 1 + NONCE + TAG;
    size_t size = version->material.size > least ? version->material.size - least : 0;
    uint8_t *value = arena_take (arena, size + 1);
    bool good = s_open (open, s_value_purpose (version->company, version->secret, version->version, arena),
                        version->material, value);
    sodium_free (open);
    if (!good)
        return berth_fail (err, BERTH_INTERNAL, "the value of secret %s does not open: the store was "
                           "changed by somebody else", version->secret);
    *ret_value = (berth_bytes_t) { value, size };
    return 0;
}

//  test_vault.c - what is sealed opens for whom it was sealed, by the key that it was sealed by, and for
//  nobody else; the master key's file.

#include "store_home.h"
#include "vault.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET "11111111-1111-7111-8111-111111111111"
#define OTHER  "22222222-2222-7222-8222-222222222222"
#define HEX    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static berth_bytes_t
s_bytes (const char *text)
{
    return (berth_bytes_t) { (const uint8_t *) text, strlen (text) };
}

typedef struct {
    home_t *home;
    vault_t *vault;
    company_key_t key;
    secret_version_t version;
} scene_t;

static void
s_begin (void **state, scene_t *self)
{
    self->home = *state;
    self->vault = vault_new ();
    assert_ok (vault_add (self->vault, HEX, &self->home->err), self->home->err);
    assert_ok (vault_company (self->vault, "acme", self->home->arena, &self->key, &self->home->err),
               self->home->err);
    self->version = (secret_version_t) { .secret = SECRET, .company = "acme", .version = 1 };
    assert_ok (vault_seal (self->vault, &self->key, SECRET, 1, s_bytes ("hunter2"), self->home->arena,
                           &self->version.material, &self->home->err), self->home->err);
}

static bool
s_opens (scene_t *self, const company_key_t *key, const secret_version_t *version)
{
    berth_bytes_t value;
    berth_error_t err = { 0 };
    if (vault_open (self->vault, key, version, self->home->arena, &value, &err)) {
        assert_int_equal (err.code, BERTH_INTERNAL);
        assert_null (strstr (err.text, "hunter2"));
        return false;
    }
    assert_int_equal (value.size, 7);
    assert_memory_equal (value.data, "hunter2", 7);
    return true;
}

static void
test_opens_for_its_own_row_only (void **state)
{
    scene_t self;
    s_begin (state, &self);
    assert_true (s_opens (&self, &self.key, &self.version));
    //  The same bytes in another row
    secret_version_t moved = self.version;
    moved.secret = OTHER;
    assert_false (s_opens (&self, &self.key, &moved));
    moved = self.version;
    moved.version = 2;
    assert_false (s_opens (&self, &self.key, &moved));
    moved = self.version;
    moved.company = "rival";
    assert_false (s_opens (&self, &self.key, &moved));
    //  Each byte of it counts
    uint8_t *changed = arena_copy (self.home->arena, self.version.material.data, self.version.material.size);
    moved = self.version;
    moved.material.data = changed;
    for (size_t index = 0; index < moved.material.size; index++) {
        changed [index] ^= 1;
        assert_false (s_opens (&self, &self.key, &moved));
        changed [index] ^= 1;
    }
    moved.material.size = 12;
    assert_false (s_opens (&self, &self.key, &moved));
    //  Another company's key, given out as this one's
    company_key_t other;
    assert_ok (vault_company (self.vault, "rival", self.home->arena, &other, &self.home->err),
               self.home->err);
    assert_false (s_opens (&self, &other, &self.version));
    other.company = "acme";
    assert_false (s_opens (&self, &other, &self.version));
    vault_destroy (&self.vault);
}

static void
test_nothing_in_clear (void **state)
{
    scene_t self;
    s_begin (state, &self);
    berth_bytes_t again;
    assert_ok (vault_seal (self.vault, &self.key, SECRET, 1, s_bytes ("hunter2"), self.home->arena,
                           &again, &self.home->err), self.home->err);
    assert_memory_not_equal (again.data, self.version.material.data, again.size);
    assert_null (memmem (again.data, again.size, "hunter2", 7));
    vault_destroy (&self.vault);
}

static void
test_another_master_key (void **state)
{
    scene_t self;
    s_begin (state, &self);
    char *old = arena_string (self.home->arena, vault_id (self.vault));
    //  A new one in front: the old still opens
    assert_ok (vault_make (self.vault, NULL, &self.home->err), self.home->err);
    assert_string_not_equal (vault_id (self.vault), old);
    assert_true (vault_has (self.vault, old));
    assert_true (s_opens (&self, &self.key, &self.version));
    //  Sealed anew it opens without the old one
    company_key_t sealed;
    assert_ok (vault_reseal (self.vault, &self.key, self.home->arena, &sealed, &self.home->err),
               self.home->err);
    assert_ok (vault_retire (self.vault, NULL, &self.home->err), self.home->err);
    assert_false (vault_has (self.vault, old));
    assert_true (s_opens (&self, &sealed, &self.version));
    assert_false (s_opens (&self, &self.key, &self.version));
    vault_destroy (&self.vault);
}

static void
test_forms_of_a_key (void **state)
{
    home_t *home = *state;
    const char *const forms [] = { HEX, BASE64, HEX "\n", "# the new one\n" HEX "\r\n" };
    char *id = NULL;
    for (size_t index = 0; index < BERTH_COUNT (forms); index++) {
        vault_t *vault = vault_new ();
        assert_null (vault_id (vault));
        assert_ok (vault_add (vault, forms [index], &home->err), home->err);
        if (id)
            assert_string_equal (vault_id (vault), id);
        id = arena_string (home->arena, vault_id (vault));
        vault_destroy (&vault);
    }
    const char *const none [] = { "", "\n\n", "short", HEX "00", "zz" HEX };
    for (size_t index = 0; index < BERTH_COUNT (none); index++) {
        vault_t *vault = vault_new ();
        berth_error_t err = { 0 };
        assert_int_equal (vault_add (vault, none [index], &err), -1);
        assert_int_equal (err.code, BERTH_INVALID);
        vault_destroy (&vault);
    }
    vault_t *vault = vault_new ();
    assert_ok (vault_add (vault, "thirty-two characters, as it was", &home->err), home->err);
    vault_destroy (&vault);
}

static void
test_file (void **state)
{
    home_t *home = *state;
    const char *path = fixture_path (home->arena, home->folder, "master.key");
    struct stat about;
    berth_error_t err = { 0 };
    vault_t *vault = vault_new ();
    assert_int_equal (vault_read (vault, path, &err), -1);
    assert_int_equal (err.code, BERTH_NOT_FOUND);
    assert_ok (vault_make (vault, path, &home->err), home->err);
    assert_int_equal (stat (path, &about), 0);
    assert_int_equal (about.st_mode & 07777, 0600);
    char *id = arena_string (home->arena, vault_id (vault));
    //  Two in the file while the change is under way; then the newer one alone
    assert_ok (vault_make (vault, path, &home->err), home->err);
    char *newer = arena_string (home->arena, vault_id (vault));
    vault_destroy (&vault);
    vault = vault_new ();
    assert_ok (vault_read (vault, path, &home->err), home->err);
    assert_string_equal (vault_id (vault), newer);
    assert_true (vault_has (vault, id));
    assert_ok (vault_retire (vault, path, &home->err), home->err);
    vault_destroy (&vault);
    vault = vault_new ();
    assert_ok (vault_read (vault, path, &home->err), home->err);
    assert_string_equal (vault_id (vault), newer);
    assert_false (vault_has (vault, id));
    vault_destroy (&vault);
    //  Others may read it: that is no secret
    assert_int_equal (chmod (path, 0640), 0);
    vault = vault_new ();
    err = (berth_error_t) { 0 };
    assert_int_equal (vault_read (vault, path, &err), -1);
    assert_int_equal (err.code, BERTH_FORBIDDEN);
    assert_non_null (strstr (err.remedy, "chmod 600"));
    vault_destroy (&vault);
}

//  An arena that held a value is wiped when it is cleared.
static void
test_guarded_arena (void **state)
{
    (void) state;
    arena_t *arena = arena_new ();
    char *small = arena_string (arena, "hunter2");
    arena_guard (arena);
    arena_clear (arena);
    assert_memory_equal (small, "\0\0\0\0\0\0\0", 7);
    //  Only until then
    small = arena_string (arena, "hunter2");
    arena_clear (arena);
    assert_memory_equal (small, "hunter2", 7);
    arena_destroy (&arena);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test_setup_teardown (test_opens_for_its_own_row_only, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown (test_nothing_in_clear, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown (test_another_master_key, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown (test_forms_of_a_key, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown (test_file, home_setup, home_teardown),
        cmocka_unit_test (test_guarded_arena),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}

//  places_plan.c - owns what every plan of a place needs: paths, shell, environment.

#include "places.h"

#include "codec.h"
#include "plant.h"

#include <string.h>
#include <unistd.h>

const char *
places_shell (void)
{
    return access ("/bin/bash", X_OK) == 0 ? "bash" : "sh";
}

const char *
places_path (berth_bytes_t path, arena_t *arena, const char *field, berth_error_t *err)
{
    if (path.size && *path.data == '/' && !memchr (path.data, 0, path.size))
        return arena_text (arena, (const char *) path.data, path.size);
    if (err)
        berth_error_set (err->field, sizeof err->field, "%s", field);
    berth_fail (err, BERTH_INVALID, "%s is not an absolute path", field);
    return NULL;
}

static bool
s_is_name (berth_bytes_t name)
{
    for (size_t index = 0; index < name.size; index++) {
        uint8_t byte = name.data [index];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
        if (!letter && !(index && byte >= '0' && byte <= '9'))
            return false;
    }
    return name.size > 0;
}

int
places_check_env (berth_bytes_t env, const char *field, berth_error_t *err)
{
    own (arena) arena = arena_new ();
    size_t position = 0;
    berth_bytes_t name, value;
    while (any_each (env, &position, &name, &value)) {
        const char *key = arena_text (arena, (const char *) name.data, name.size);
        if (s_is_name (name) && any_text (env, key, arena))
            continue;
        if (err)
            berth_error_set (err->field, sizeof err->field, "%s.%s", field, key);
        return s_is_name (name)
            ? berth_fail (err, BERTH_INVALID, "%s.%s is not a text", field, key)
            : berth_fail (err, BERTH_INVALID, "%s: '%s' is no name of a variable", field, key);
    }
    return 0;
}

berth_blobs_t
places_env (const char *home, berth_bytes_t policy, berth_bytes_t config, arena_t *arena)
{
    words_t env = { .arena = arena };
    words_all (&env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
               "LANG=C.UTF-8", "TERM=dumb", NULL);
    words_set (&env, "HOME", 4, home);
    words_set (&env, "SHELL", 5, access ("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh");
    for (char **leak = environ; PLANTED ("env-leak") && *leak; leak++)
        words_add (&env, *leak);
    const berth_bytes_t layers [] = { policy, config };
    for (size_t layer = 0; layer < BERTH_COUNT (layers); layer++) {
        size_t position = 0;
        berth_bytes_t name, value;
        while (any_each (layers [layer], &position, &name, &value)) {
            const char *key = arena_text (arena, (const char *) name.data, name.size);
            const char *text = any_text (layers [layer], key, arena);
            if (text && s_is_name (name))
                words_set (&env, key, name.size, text);
        }
    }
    return words_blobs (&env);
}

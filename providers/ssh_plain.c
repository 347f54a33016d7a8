//  ssh_plain.c - owns places on machines where berth-shim cannot run: each command is an ssh of its own.
//
//  The place is here, its shim and init as for any other; what they start is `berth-shim --plain`, which
//  becomes ssh. What that cannot promise stands in the lease's metadata, and the probe says it.

#include "ssh.h"

#include "clock.h"
#include "codec.h"
#include "shim_link.h"
#include "ids.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char s_cannot [] =
    "a command there is not ended by a signal, a timeout or the end of its lease; its output ends with "
    "the connection; there are no terminals, and no files cross";

typedef struct {
    ssh_t *ssh;
    const char *why;
} plan_t;

static int
s_write_key (const shim_relay_t *relay, arena_t *arena, berth_error_t *err)
{
    if (!relay->key.size)
        return 0;
    const char *path = arena_text (arena, (const char *) relay->key_path.data, relay->key_path.size);
    int file = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool whole = file >= 0 && write (file, relay->key.data, relay->key.size) == (ssize_t) relay->key.size
        && (relay->key.data [relay->key.size - 1] == '\n' || write (file, "\n", 1) == 1);
    int rc = whole ? 0 : berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot write '%s'", path);
    if (file >= 0)
        close (file);
    return rc;
}

static int
s_plan (void *context, const place_open_t *ask, const place_t *place, arena_t *arena,
        places_plan_t *plan, berth_error_t *err)
{
    plan_t *self = context;
    ssh_config_t config;
    uint64_t port;
    shim_relay_t relay;
    if (ssh_read (ask->config, arena, &config, &port, err)
        || ssh_plan (self->ssh, &config, port, place, arena, &relay, err)
        || s_write_key (&relay, arena, err))
        return -1;
    const char *agent = getenv ("SSH_AUTH_SOCK");
    words_t argv = { .arena = arena }, env = { .arena = arena }, wrap = { .arena = arena };
    words_all (&argv, self->ssh->init, "{INIT_FD}", NULL);
    words_all (&env, "PATH=/usr/bin:/bin", NULL);
    words_all (&wrap, self->ssh->shim, "--plain", agent ? agent : "",
               arena_printf (arena, "%zu", relay.argv.count), NULL);
    for (size_t index = 0; index < relay.argv.count; index++)
        words_add (&wrap, arena_text (arena, (const char *) relay.argv.items [index].data,
                                      relay.argv.items [index].size));
    const char *slash = strcmp (config.path, "/") ? "/" : "";
    const char *cwd = arena_printf (arena, "%s%s%s", config.path, slash, place->id);
    shim_open_t *open = &plan->open;
    open->argv = words_blobs (&argv);
    open->env = words_blobs (&env);
    open->exec_env = ssh_policy_env (ask, arena);
    open->cwd = words_bytes (cwd);
    berth_put (shim_open, open, pid_namespace, false);
    berth_put (shim_open, open, wrap, words_blobs (&wrap));
    berth_bytes_t map = ssh_metadata (&config, port, arena);
    map = any_set_text (map, "shellCommand", "sh", arena);
    map = any_set_truth (map, "plain", true, arena);
    map = any_set_text (map, "plainReason", self->why, arena);
    plan->metadata = any_set_text (map, "notPromised", s_cannot, arena);
    plan->name = arena_printf (arena, "ssh://%s%s", relay.host, cwd);
    return 0;
}

int
ssh_plain_acquire (ssh_t *self, const place_open_t *ask, const berth_error_t *why,
                   int64_t deadline_ms, arena_t *arena, place_opened_t *ret_place,
                   berth_error_t *err)
{
    plan_t plan = { self, arena_string (arena, why->text) };
    places_how_t how = { .plan = s_plan, .context = &plan };
    place_opened_t opened = { 0 };
    if (places_acquire (self->owner.places, ask, &how, deadline_ms, arena, &opened, err))
        return -1;
    if (places_run (self->owner.places, ask->lease, "true", deadline_ms, err) == 0) {
        *ret_place = opened;
        return 0;
    }
    place_close_t closing = { .lease = ask->lease, .status = "failed" };
    berth_error_t ignored = { 0 };              //  The first failure is what is told
    (void) places_close (self->owner.places, &closing, deadline_ms, &ignored);
    return -1;
}

bool
ssh_is_plain (const place_t *place, arena_t *arena)
{
    place_opened_t opened = { 0 };
    return berth_has (place_record, &place->record, opened)
        && berth_unpack (&place_opened_schema, place->record.opened, arena, &opened, NULL) == 0
        && any_truth (opened.metadata, "plain", false);
}

//  The folder there goes by a last command, from outside of it.
int
ssh_plain_remove (const place_t *place, int64_t deadline_ms, arena_t *arena, berth_error_t *err)
{
    own (shim_link) link = NULL;
    place_opened_t opened = { 0 };
    char exec [BERTH_ID_SIZE];
    berth_id_new (exec);
    if (berth_unpack (&place_opened_schema, place->record.opened, arena, &opened, err))
        return -1;
    const char *cwd = any_text (opened.metadata, "remoteCwd", arena);
    words_t argv = { .arena = arena };
    words_all (&argv, "rm", "-rf", "--", cwd ? cwd : "", NULL);
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_START);
    berth_put (shim_message, &message, exec, exec);
    berth_put (shim_message, &message, argv, words_blobs (&argv));
    berth_put (shim_message, &message, cwd, words_bytes ("/"));
    berth_put (shim_message, &message, spool,
               words_bytes (arena_printf (arena, "%s/%s", place->folder, exec)));
    if (shim_link_open (place->socket, deadline_ms, &link, err)
        || shim_link_send (link, &message, err))
        return -1;
    do {
        if (shim_link_wait (link, deadline_ms, arena, &message, err))
            return -1;
    } while ((message.op != shim_op_ENDED && message.op != shim_op_REFUSED) || !message.exec
             || strcmp (message.exec, exec));
    if (message.op == shim_op_ENDED && message.cause == exec_cause_EXITED && message.exit_code == 0)
        return 0;
    return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE,
                       "the folder of the place cannot be removed there now");
}

//  proxy_secrets.c - owns nothing: it looks up what a call needs.

#include "proxy_secrets.h"

#include "codec.h"
#include "config_secrets.h"
#include "log.h"
#include "secret_use.h"

//  What a call says of whom it is for.
typedef struct {
    const char *company, *env, *run, *issue;
    berth_bytes_t *config;
    bool without;                   //  It is done without them, too: a connection that is open needs no
                                    //  key, and closing is never refused for a secret that is gone
} subject_t;

static bool
s_subject (request_code_t type, void *ask, subject_t *ret_subject)
{
    if (type == REQUEST_PLACE_OPEN || type == REQUEST_PLACE_RESUME) {
        place_open_t *open = ask;
        *ret_subject = (subject_t) {
            open->company, open->env, open->run, open->issue, &open->config, false
        };
        return true;
    }
    if (type == REQUEST_PLACE_PROBE) {
        place_probe_t *probe = ask;
        *ret_subject = (subject_t) { probe->company, probe->env, NULL, NULL, &probe->config, false };
        return probe->env != NULL;
    }
    if (type == REQUEST_PLACE_CLOSE) {
        place_close_t *close = ask;
        *ret_subject = (subject_t) { close->company, close->env, NULL, NULL, &close->config, true };
        return close->env && close->config.size;
    }
    if (type == REQUEST_PLACE_RETURN) {
        place_return_t *give = ask;
        *ret_subject = (subject_t) { give->company, give->env, NULL, NULL, &give->config, true };
        return give->env && give->config.size;
    }
    return false;
}

//  The entry is written by whom the table of them belongs to.
static void
s_enter (post_t *post, const letter_t *like, secret_event_t *event, arena_t *arena)
{
    letter_t letter = *like;
    letter.type = REQUEST_SECRET_USED;
    letter.roles = ROLE_INTERNAL;
    letter.answer_to = ACTOR_FRONT;
    letter.deadline_ms = 0;
    letter.key [0] = 0;
    if (event->secret
        && post_letter (post, ACTOR_SECRETS, NULL, INBOX_INTERNAL, &letter,
                        berth_pack (&secret_event_schema, event, arena), (berth_bytes_t) { NULL, 0 }, NULL))
        log_event ("use_not_entered", "secret=%s", event->secret);
}

int
proxy_secrets (const context_t *context, post_t *post, const letter_t *letter,
               const provider_t *provider, void *ask, arena_t *arena, berth_error_t *err)
{
    config_secret_t secrets [CONFIG_SECRETS_MAX];
    subject_t subject;
    if (!s_subject (letter->type, ask, &subject))
        return 0;
    size_t count = config_secrets (provider, arena, secrets);
    own (store_txn) txn = NULL;
    for (size_t index = 0; index < count; index++) {
        uint64_t version;
        const char *id = config_secret_id (&secrets [index], *subject.config, arena, &version);
        if (!id)
            continue;
        if (!txn && store_read (context->store, &txn, err))
            return -1;
        secret_user_t user = { secret_target_ENVIRONMENT, subject.env };
        secret_use_t use = {
            .company = subject.company, .secret = id, .version = version, .path = secrets [index].path,
            .users = &user, .users_count = 1, .run = subject.run, .issue = subject.issue,
        };
        secret_event_t event;
        berth_bytes_t value;
        int rc = secret_look (context->vault, txn, arena, &use, &event, &value, err);
        s_enter (post, letter, &event, arena);
        if (rc && subject.without)
            continue;
        if (rc)
            return -1;
        const char *text = arena_text (arena, (const char *) value.data, value.size);
        *subject.config = any_set_text (*subject.config, secrets [index].field, text, arena);
    }
    return 0;
}

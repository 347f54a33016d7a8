//  trials.c - owns the tests of environments that are under way, and the words for what they found.

#include "trials.h"

#include "actor.h"
#include "codec.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>

enum {
    OUTPUT_MAX = 800,               //  Of a command's output that a check shows
    NAME_MAX_SHOWN = 120            //  Of its text
};

trials_t *
trials_new (void)
{
    trials_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    return self;
}

void
trials_destroy (trials_t **self_p)
{
    trials_t *self = *self_p;
    if (!self)
        return;
    for (size_t index = 0; index < TRIALS_MAX; index++)
        arena_destroy (&self->items [index].arena);
    free (self);
    *self_p = NULL;
}

trial_t *
trials_find (trials_t *self, const char *subject)
{
    for (size_t index = 0; index < TRIALS_MAX; index++)
        if (self->items [index].phase != TRIAL_FREE
            && strcmp (self->items [index].subject, subject) == 0)
            return &self->items [index];
    return NULL;
}

static trial_t *
s_room (trials_t *self)
{
    trial_t *oldest = NULL;
    for (size_t index = 0; index < TRIALS_MAX; index++) {
        trial_t *trial = &self->items [index];
        if (trial->phase == TRIAL_FREE)
            return trial;
        if (trial->phase == TRIAL_DONE && (!oldest || trial->give_up_ms < oldest->give_up_ms))
            oldest = trial;
    }
    return oldest;
}

trial_t *
trials_begin (trials_t *self, const char *subject, const environment_t *env,
              const environment_test_t *ask)
{
    trial_t *trial = s_room (self);
    if (!trial)
        return NULL;
    berth_error_t err = { 0 };
    arena_t *arena = trial->arena ? trial->arena : arena_new ();
    arena_clear (arena);
    *trial = (trial_t) {
        .arena = arena, .env = arena_string (arena, env->id),
        .env_name = arena_string (arena, env->name),
        .driver = berth_enum_text (&environment_driver_enum, (int) env->driver),
    };
    snprintf (trial->subject, sizeof trial->subject, "%s", subject);
    int rc = berth_unpack_own (&environment_test_schema,
                               berth_pack (&environment_test_schema, ask, arena), arena,
                               &trial->ask, &err);
    ENSURE (rc == 0);
    return trial;
}

bool
trial_is_under_way (const trial_t *self)
{
    return self->phase != TRIAL_FREE && self->phase != TRIAL_DONE;
}

//  ---- what was found

static const char *
s_cut (const char *text, size_t most, arena_t *arena)
{
    if (!text || strlen (text) <= most)
        return arena_string (arena, text);
    while (most && ((uint8_t) text [most] & 0xc0) == 0x80)
        most--;                     //  Not inside a character
    return arena_text (arena, text, most);
}

test_check_t
check_of (test_level_t level, const char *code, const char *message, const char *detail,
          const char *hint, arena_t *arena)
{
    return (test_check_t) {
        .code = code, .level = level, .message = s_cut (message, 512, arena),
        .detail = detail && *detail ? s_cut (detail, 1024, arena) : NULL,
        .hint = hint && *hint ? s_cut (hint, 512, arena) : NULL,
    };
}

environment_tested_t
tested_of (const environment_test_t *ask, const test_check_t *checks, size_t count, int64_t now_ms)
{
    test_status_t status = test_status_PASS;
    for (size_t index = 0; index < count; index++)
        if (checks [index].level == test_level_ERROR)
            status = test_status_FAIL;
        else if (checks [index].level == test_level_WARN && status == test_status_PASS)
            status = test_status_WARN;
    return (environment_tested_t) {
        .adapter = ask->adapter, .status = status, .checks = { count, checks },
        .tested_at = now_ms,
    };
}

void
trial_found (trial_t *self, test_level_t level, const char *code, const char *message,
             const char *detail, const char *hint)
{
    ENSURE (self->count < TRIAL_CHECKS_MAX);
    self->checks [self->count++] = check_of (level, code, message, detail, hint, self->arena);
}

void
trial_found_failure (trial_t *self, const char *code, const char *message,
                     const step_done_t *done, const char *hint, arena_t *arena)
{
    berth_error_t why;
    error_from_body (done->error, arena, &why);
    const char *detail = arena_printf (arena, "%s (%s)", why.text, berth_code_text (why.code));
    if (why.cause [0] && !strstr (why.text, why.cause))
        detail = arena_printf (arena, "%s: %s", detail, why.cause);
    trial_found (self, test_level_ERROR, code, message, detail, why.remedy [0] ? why.remedy : hint);
}

//  The end of a command's output, as text; NULL if there is none.
static const char *
s_output (berth_bytes_t output, arena_t *arena)
{
    while (output.size && strchr (" \t\r\n", output.data [output.size - 1]))
        output.size--;
    size_t from = output.size > OUTPUT_MAX ? output.size - OUTPUT_MAX : 0;
    while (from && from < output.size && (output.data [from] & 0xc0) == 0x80)
        from++;
    if (from == output.size)
        return NULL;
    char *text = arena_text (arena, (const char *) output.data + from, output.size - from);
    if (!wire_is_text (output.data + from, output.size - from))
        for (size_t at = 0; at < output.size - from; at++)
            if (text [at] == 0 || (uint8_t) text [at] >= 0x80)
                text [at] = '?';
    return text;
}

//  Why a command is no success; NULL if it is one.
static const char *
s_failure (const exec_t *exec, uint64_t timeout_ms, arena_t *arena)
{
    const char *name = exec->signal ? sigabbrev_np ((int) exec->signal) : NULL;
    if (exec->timed_out || exec->cause == exec_cause_TIMED_OUT)
        return arena_printf (arena, "it took longer than %llu ms", (unsigned long long) timeout_ms);
    if (exec->cause == exec_cause_EXITED)
        return exec->exit_code
            ? arena_printf (arena, "exit code %lld", (long long) exec->exit_code) : NULL;
    if (exec->cause == exec_cause_SIGNALED && name)
        return arena_printf (arena, "signal SIG%s", name);
    const char *cause = berth_enum_text (&exec_cause_enum, (int) exec->cause);
    return exec->reason ? arena_printf (arena, "%s (%s)", exec->reason, cause) : cause;
}

const char *
trial_command (const trial_t *self, arena_t *arena)
{
    return s_cut (self->ask.commands.items [self->command], NAME_MAX_SHOWN, arena);
}

void
trial_found_result (trial_t *self, const exec_result_t *result, uint64_t timeout_ms,
                    arena_t *arena)
{
    const char *failure = s_failure (result->exec, timeout_ms, arena);
    const char *output = failure ? s_output (result->err, arena) : NULL;
    output = output ? output : s_output (result->out, arena);
    const char *name = trial_command (self, arena);
    if (failure)
        trial_found (self, test_level_ERROR, "environment_command_failed",
                     arena_printf (arena, "Command \"%s\" failed: %.300s.", name, failure),
                     output, NULL);
    else
        trial_found (self, test_level_INFO, "environment_command_passed",
                     arena_printf (arena, "Command \"%s\" passed.", name), output, NULL);
}

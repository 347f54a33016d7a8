//  effects.h - what a handler wants to happen after its commit, and who waits for what.
//
//  Nothing leaves before commit: a handler queues effects, packed at once; they are dropped if it
//  fails, and performed by the actor when its batch has been committed. Who waits for a reply is
//  memory only: the row finds the result again.
//
//  Waiting and settling are effects too, performed in their order: a handler that is undone, and
//  run again, has not waited.

#ifndef BERTH_EFFECTS_H_INCLUDED
#define BERTH_EFFECTS_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "letter.h"

typedef struct effects effects_t;
typedef struct waiters waiters_t;
struct request;

typedef void (data_free_fn) (void *data, void *hint);       //  As of zmq_msg_init_data

//  The part of a handler that comes behind the commit: what its actor does to descriptors of its
//  own, and to what it remembers about them. `req` is the handler's; more effects may be queued.
typedef void (effect_call_fn) (void *actor, const struct request *req, const void *what,
                               effects_t *fx);

typedef enum {
    EFFECT_ANSWER = 1, EFFECT_WORK, EFFECT_WAIT, EFFECT_SETTLE, EFFECT_PROGRESS, EFFECT_CALL
} effect_kind_t;

typedef struct {
    effect_kind_t kind;
    reply_status_t status;          //  Of ANSWER and SETTLE
    actor_code_t to;                //  Of WORK
    const char *provider;           //  Of WORK for PROXY: which
    const letter_t *letter;         //  Of ANSWER: whom; of WORK: itself; of WAIT: who; in the arena
    const char *subject;            //  Of WAIT, SETTLE, PROGRESS
    berth_bytes_t body;             //  Packed, in the batch's arena
    berth_bytes_t data;             //  Frame 2; in the arena, or freed by data_free once sent
    data_free_fn *data_free;
    effect_call_fn *call;           //  Of CALL, with its arguments
    void *actor;
    const struct request *req;
    const void *what;
} effect_t;

effects_t *effects_new (void);
void effects_destroy (effects_t **self_p);

//  ---- for handlers

//  Answers a request with a result, or with a failure. The answer to a step goes back to its
//  actor as step.done.
void effects_reply (effects_t *self, const struct request *req, const berth_schema_t *schema,
                    const void *result);
void effects_fail (effects_t *self, const struct request *req, const berth_error_t *why);

//  The same for a letter that was kept.
void effects_reply_to (effects_t *self, const letter_t *to, arena_t *arena,
                       const berth_schema_t *schema, const void *result);
void effects_fail_to (effects_t *self, const letter_t *to, arena_t *arena, const berth_error_t *why);

//  With frame 2.
void effects_reply_data (effects_t *self, const letter_t *to, arena_t *arena,
                         const berth_schema_t *schema, const void *result, berth_bytes_t data,
                         data_free_fn *data_free);

//  One chunk of a stream, or progress (without data). Nothing happens unless the request streams.
void effects_chunk (effects_t *self, const letter_t *to, arena_t *arena,
                    const berth_schema_t *schema, const void *body, berth_bytes_t data,
                    data_free_fn *data_free);

//  Keeps the request waiting for `subject`; it is answered by a settle of that subject, or by its
//  deadline.
void effects_wait (effects_t *self, const struct request *req, const char *subject);

//  Answers all who wait for `subject`.
void effects_settle (effects_t *self, arena_t *arena, const char *subject,
                       const berth_schema_t *schema, const void *result);
void effects_settle_error (effects_t *self, arena_t *arena, const char *subject,
                             const berth_error_t *why);

//  Tells all who wait for `subject`, and stream, how far it is.
void effects_progress (effects_t *self, arena_t *arena, const char *subject,
                       const berth_schema_t *schema, const void *body);

//  Sends a step to another actor: its answer comes back as step.done with this subject and step.
//  `provider` names the proxy, else NULL. `like` is the request on whose behalf (its principal goes
//  along), or NULL. deadline_ms: monotonic, 0 for none.
void effects_work (effects_t *self, arena_t *arena, actor_code_t to, const char *provider,
                   request_code_t type, const char *subject, const char *step,
                   const struct request *like, int64_t deadline_ms, const void *body);

//  Calls `call` once the batch is committed, in order with the other effects. `what` is in the
//  batch's arena.
void effects_call (effects_t *self, const struct request *req, effect_call_fn *call, void *actor,
                   const void *what);

//  An error as it goes out: a packed error_body.
berth_bytes_t effects_pack_error (const berth_error_t *why, arena_t *arena);

//  ---- for the kit

size_t effects_mark (const effects_t *self);
void effects_undo (effects_t *self, size_t mark);       //  Drops what was queued since

//  How a request was answered since the mark: 1 and its packed reply; 2 and the subject that it
//  waits for; 0 if neither (or with an error).
int effects_outcome (const effects_t *self, size_t mark, const letter_t *letter,
                     berth_bytes_t *ret_reply, const char **ret_subject);

//  Has a request of this batch begun to wait for it?
bool effects_awaits (const effects_t *self, const char *subject);

//  Calls `keep` for everybody who waits for what is settled with a result, until it fails.
typedef int (effects_keep_fn) (void *context, const letter_t *waiter, berth_bytes_t reply,
                               berth_error_t *err);
int effects_keep (const effects_t *self, const waiters_t *waiters, effects_keep_fn *keep,
                  void *context, berth_error_t *err);

//  Answers as this batch has answered all who wait for `subject`; false if it has not.
bool effects_reply_settled (effects_t *self, const struct request *req, const char *subject);

//  An answer that was packed before.
void effects_reply_packed (effects_t *self, const struct request *req, berth_bytes_t reply);

//  Sends one message: an answer to a client (to = FRONT), or a letter to an actor. Takes the data:
//  data_free is called once it is not needed, whatever happens.
typedef void (effect_send_fn) (void *context, actor_code_t to, const char *provider,
                               const letter_t *letter, reply_status_t status, berth_bytes_t body,
                               berth_bytes_t data, data_free_fn *data_free);

//  Performs all effects in order and forgets them.
void effects_perform (effects_t *self, waiters_t *waiters, arena_t *arena, effect_send_fn *send,
                      void *context);

//  ---- who waits

waiters_t *waiters_new (void);
void waiters_destroy (waiters_t **self_p);

//  Is somebody waiting for it?
bool waiters_any (const waiters_t *self, const char *subject);

//  Takes one waiter whose deadline has passed; false if there is none. *ret_subject is in arena.
bool waiters_expired (waiters_t *self, int64_t now_mono_ms, arena_t *arena, letter_t *ret_letter,
                      const char **ret_subject);

//  A time at which a deadline may have passed; INT64_MAX if nobody has one.
int64_t waiters_next (const waiters_t *self);

//  Forgets a client's request (it went away); how many.
size_t waiters_forget (waiters_t *self, uint64_t ticket);

//  Marks it as cancelled instead: its deadline has passed.
void waiters_cancel (waiters_t *self, uint64_t ticket);
size_t waiters_count (const waiters_t *self);

#endif

//  sim.h - a whole service in one thread: its actors on one store, a provider that fails as it
//  likes, clients that retry, clocks that jump, processes that die. One number decides everything.
//
//  For the files of this folder only.

#ifndef BERTH_SIM_H_INCLUDED
#define BERTH_SIM_H_INCLUDED

#include "fixture.h"

#include "actor.h"
#include "codec.h"
#include "context.h"
#include "ids.h"
#include "states.h"

//  What can go wrong. A run that failed is tried again without each of them.
#define CHAOS(X) \
    X (CRASH, "crash", "the process dies: what was not committed, or not sent, is gone") \
    X (BOOT,  "boot",  "the machine starts anew: another boot id, monotonic time from its beginning") \
    X (JUMP,  "jump",  "the wall clock is set, or the machine was suspended") \
    X (FAIL,  "fail",  "the provider refuses, is late, or times out, having done it or not") \
    X (DIE,   "die",   "a place is gone by itself") \
    X (LIE,   "lie",   "the provider says that it closed a place, or what it has, and it is not so") \
    X (ECHO,  "echo",  "the provider answers twice") \
    X (LOSE,  "lose",  "the provider never answers") \
    X (HOLD,  "hold",  "operators drain the service and pause providers")
#define CHAOS_BIT_(name, text, doc) CHAOS_BIT_##name,
enum { CHAOS (CHAOS_BIT_) CHAOS_COUNT };
#define CHAOS_VALUE_(name, text, doc) CHAOS_##name = 1u << CHAOS_BIT_##name,
enum { CHAOS (CHAOS_VALUE_) };

typedef struct {
    uint64_t seed, steps;
    unsigned without;               //  Bits of CHAOS
    bool strict;                    //  Everything is looked at behind every step
    bool trace;                     //  Each step is printed
    const char *folder;             //  Where the store is made; best in memory
} sim_ask_t;

typedef struct {
    bool broken;
    uint64_t step;                  //  At which it was seen
    char why [640];
    uint64_t digest;                //  Of all that was sent: the same seed, the same digest
    uint64_t steps, requests, answers, retries, calls, leases, entries, crashes, boots, expired;
} sim_result_t;

typedef struct sim sim_t;

//  Runs one season; false if something did not hold.
bool sim_run (const sim_ask_t *ask, sim_result_t *ret_result);

//  ---- what its files share

enum {
    SIM_INBOX_MAX = 4096, SIM_CALLS_MAX = 1024, SIM_ECHOES = 32, SIM_KEYS_MAX = 4096,
    SIM_LEASES_TABLE = 32768, SIM_RUNS = 12, SIM_ISSUES = 3, SIM_COMPANIES = 4,
    SIM_ENVIRONMENTS = 48, SIM_WORKSPACES = 24, SIM_EXECS = 16, SIM_UNSETTLED_MAX = 32,
    SIM_WAITING_MAX = 64
};

//  A message on its way inside the service.
typedef struct {
    actor_code_t from, to;          //  FRONT: of a client
    letter_t letter;
    berth_bytes_t body;
} sim_message_t;

typedef struct {
    sim_message_t *items [SIM_INBOX_MAX];
    size_t count;
} sim_inbox_t;

//  A place at the provider: what the sweep of a real one would list.
typedef struct {
    char id [256];
    char opener [37], holder [37];  //  Leases: whose it was first, who took it up last
    bool kept;                      //  Only its files are
    bool lied;                      //  It was said to be closed: the sweep finds it
} sim_spot_t;

//  A call before the provider.
typedef struct {
    char provider [32];
    letter_t letter;
    berth_bytes_t body;
} sim_call_t;

//  A request of a client.
typedef struct sim_key sim_key_t;
typedef enum { ASK_WAITS = 1, ASK_ANSWERED, ASK_CUT } sim_ask_state_t;
typedef struct {
    request_code_t type;
    sim_key_t *key;                 //  NULL: without one
    sim_ask_state_t state;
    char lease [37];                //  About which, if one
    bool stale;                     //  It carries an older generation than its lease has
    berth_bytes_t body;
    int64_t asked_ms;               //  Monotonic
} sim_client_t;

//  An idempotency key, with the request that it stands for.
struct sim_key {
    char text [24];
    request_code_t type;
    bool used, stale;               //  Its request was asked; and was stale then
    berth_bytes_t body;
    int64_t wall_ms;                //  When it was first used
    char answered [129];            //  Id in its first good answer
    char lease [37];                //  The lease that came of it and was active
};

//  A lease, as the log and the answers tell of it.
typedef struct {
    char id [37], env [37], workspace [37], company [65], run [129];
    lease_state_t state;
    uint64_t generation;
    bool acquired, touched, by_run;
    bool loose;                     //  Its last entry was of a kind that the model does not know
    uint64_t queued;                //  Entry since which it waits in line; 0: it does not
    bool abandoned;
    sim_key_t *key;
    int64_t least_mono_ms;          //  It must not expire by maxLeaseMs before; 0: never
    int64_t late_ms;                //  How much later it may
    int64_t idle_ms, used_mono_ms;  //  Idle no sooner than idle_ms behind
} sim_lease_t;

typedef struct {
    char company [32], id [129];
    run_state_t state;
    bool known, touched;
} sim_run_t;

typedef struct {
    char name [65];
    uint64_t seq;
    uint8_t hash [32];
} sim_company_t;

struct sim {
    const sim_ask_t *ask;
    sim_result_t *result;
    fixture_random_t random;
    arena_t *arena;                 //  As long as the season
    arena_t *scratch;               //  As long as a step
    bool calm;                      //  Nothing goes wrong any more
    uint64_t step;

    //  cast.c
    char *folder;
    store_t *store;
    context_t context;
    void *actors [ACTOR_COUNT];
    actor_t *kits [ACTOR_COUNT];
    sim_inbox_t inboxes [ACTOR_COUNT];
    int64_t started_ms;             //  Of this process, monotonic
    bool dying;                     //  The process dies behind some of what it sends:
    uint64_t last_words;            //  so many

    //  provider.c
    sim_spot_t *spots;
    size_t spots_count, spots_room;
    sim_call_t *calls [SIM_CALLS_MAX];
    size_t calls_count;
    sim_message_t *echoes [SIM_ECHOES];
    size_t echoes_count;

    //  clients.c
    sim_client_t **clients;         //  By ticket, from 1
    size_t clients_count, clients_room, waiting;
    sim_key_t *keys [SIM_KEYS_MAX];
    size_t keys_count;

    //  workload.c
    char environments [SIM_ENVIRONMENTS] [37], workspaces [SIM_WORKSPACES] [37];
    char execs [SIM_EXECS] [37];
    size_t environments_count, workspaces_count, execs_count;

    //  model.c
    sim_lease_t *table [SIM_LEASES_TABLE];
    sim_lease_t *leases [SIM_LEASES_TABLE / 2];     //  In the order they came
    size_t leases_count, unsettled;
    sim_lease_t *touched [SIM_INBOX_MAX];
    size_t touched_count;
    sim_run_t runs [SIM_RUNS * 2];
    sim_company_t companies [SIM_COMPANIES];
    uint64_t seq, generation;
    bool drained, paused;
};

//  Something did not hold: the first thing is kept, and ends the season behind its step.
void sim_broken (sim_t *self, const char *format, ...) BERTH_PRINTF (2, 3);
//  A line of the trace, and a number of the digest.
void sim_note (sim_t *self, const char *what, const char *about, uint64_t number);
//  A line of the trace alone.
#define sim_say(self, ...) ((self)->ask->trace ? sim_print ((self), __VA_ARGS__) : (void) 0)
void sim_print (const sim_t *self, const char *format, ...) BERTH_PRINTF (2, 3);
uint64_t sim_below (sim_t *self, uint64_t bound);
bool sim_chance (sim_t *self, uint64_t one_in);
bool sim_may (const sim_t *self, unsigned chaos);

//  ---- sim_clock.c: two clocks, boots and ids, in place of the machine's
void sim_clock_begin (uint64_t seed);
int64_t sim_wall_ms (void);
int64_t sim_mono_ms (void);
int64_t sim_latest_ms (void);               //  The latest that the wall clock ever was
void sim_clock_pass (int64_t ms);           //  Both
void sim_clock_jump (int64_t ms);           //  The wall alone
void sim_clock_boot (int64_t down_ms);
void sim_id (char text [37]);

//  ---- cast.c: the actors
bool sim_cast_has (actor_code_t code);
void sim_cast_open (sim_t *self);           //  A new store, and the first process
void sim_cast_close (sim_t *self);
//  Another process on the same store. What the one before had in memory is gone.
void sim_cast_restart (sim_t *self);
//  One batch of at most so many of what waits; what is due with it.
void sim_cast_serve (sim_t *self, actor_code_t code, size_t most);
int64_t sim_cast_next_ms (const sim_t *self, actor_code_t *ret_code);
void sim_post (sim_t *self, actor_code_t to, actor_code_t from, const letter_t *letter,
               berth_bytes_t body);

//  ---- provider.c
void sim_provider_take (sim_t *self, const char *provider, const letter_t *letter,
                        berth_bytes_t body);
void sim_provider_turn (sim_t *self);       //  One call is answered, or not
void sim_provider_echo (sim_t *self);
void sim_provider_lose_place (sim_t *self);
void sim_provider_crash (sim_t *self);      //  What was being done was done, or not
bool sim_provider_asked (const sim_t *self, request_code_t type, const char *lease);
int64_t sim_provider_next_ms (const sim_t *self);

//  ---- clients.c
void sim_client_turn (sim_t *self);
void sim_client_ask (sim_t *self, request_code_t type, berth_bytes_t body, sim_key_t *key,
                     int64_t deadline_ms);
void sim_client_answer (sim_t *self, const letter_t *letter, reply_status_t status,
                        berth_bytes_t body);
void sim_clients_crash (sim_t *self);

//  ---- workload.c
void sim_workload_begin (sim_t *self);
request_code_t sim_workload_type (sim_t *self);
berth_bytes_t sim_workload_body (sim_t *self, request_code_t type, const char *mark);
void sim_workload_learn (sim_t *self, request_code_t type, berth_bytes_t reply);

//  ---- model.c: what the log says, entry by entry
void sim_model_read (sim_t *self);
sim_lease_t *sim_lease_find (sim_t *self, const char *id);
void sim_model_boot (sim_t *self);
void sim_model_used (sim_t *self, const char *company, const char *run);

//  ---- invariants.c: what must be true of rows and places
void sim_check (sim_t *self);
void sim_check_settled (sim_t *self);       //  Nothing hangs
void sim_check_end (sim_t *self);           //  Everything is over

#endif

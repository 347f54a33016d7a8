//  handoff.c - owns the lines of requests that wait for an actor.

#include "handoff.h"

#include "actor.h"
#include "codec.h"

#include <stdlib.h>
#include <string.h>

#define HANDOFF_MAGIC 0x4a9d0f01u

enum {
    BUCKETS = 256,
    SMALL = 65536                   //  What a peer without anything in line may send when all is full
};

//  A ring: `next` of the last is the first.
typedef struct node {
    struct node *next, *prev;
} node_t;

typedef struct item {
    struct item *next;
    letter_t letter;
    bool control;
    size_t body_size, data_size;
    uint8_t bytes [];               //  Body, then data
} item_t;

typedef struct {
    node_t turn;                    //  Among the groups of its actor
    node_t bucket;
    node_t lines;                   //  Head: of its peers
    uint64_t id;
} group_t;

typedef struct {
    node_t turn;                    //  Among the lines of its group
    node_t bucket;
    group_t *group;
    const peer_t *peer;             //  Only compared
    item_t *first, **last;
    size_t bytes;
} line_t;

//  What waits for one actor.
typedef struct {
    node_t groups;                  //  Head: of those that have something in line
    node_t by_id [BUCKETS], by_peer [BUCKETS];
    uint64_t handed, handed_bytes;  //  Letters in all, as stats->taken counts
} way_t;

struct handoff {
    uint32_t magic;
    post_t *post;
    peers_t *peers;
    way_t ways [ACTOR_COUNT];
    size_t waiting;
    uint64_t bytes;
};

static void
s_init (node_t *self)
{
    self->next = self->prev = self;
}

static void
s_leave (node_t *self)
{
    self->next->prev = self->prev;
    self->prev->next = self->next;
    s_init (self);
}

//  Behind all others.
static void
s_join (node_t *self, node_t *head)
{
    self->prev = head->prev;
    self->next = head;
    head->prev->next = self;
    head->prev = self;
}

#define of(node, type, member) ((type *) ((uint8_t *) (node) - offsetof (type, member)))

handoff_t *
handoff_new (wiring_t *wiring, peers_t *peers)
{
    handoff_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = HANDOFF_MAGIC;
    self->post = post_new (wiring);
    self->peers = peers;
    for (int actor = 0; actor < ACTOR_COUNT; actor++) {
        way_t *way = &self->ways [actor];
        s_init (&way->groups);
        for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
            s_init (&way->by_id [bucket]);
            s_init (&way->by_peer [bucket]);
        }
        const actor_stats_t *stats = actor_stats_of ((actor_code_t) actor);
        way->handed = stats->taken;
        way->handed_bytes = stats->taken_bytes;
    }
    return self;
}

//  ---- lines

static size_t
s_bucket (uint64_t key)
{
    return (key * 0x9e3779b97f4a7c15u) >> 56;
}

static line_t *
s_find_line (const way_t *way, const peer_t *peer)
{
    const node_t *head = &way->by_peer [s_bucket ((uintptr_t) peer)];
    for (node_t *node = head->next; node != head; node = node->next)
        if (of (node, line_t, bucket)->peer == peer)
            return of (node, line_t, bucket);
    return NULL;
}

static group_t *
s_group (way_t *way, uint64_t id)
{
    node_t *head = &way->by_id [s_bucket (id)];
    for (node_t *node = head->next; node != head; node = node->next)
        if (of (node, group_t, bucket)->id == id)
            return of (node, group_t, bucket);
    group_t *group = calloc (1, sizeof *group);
    ENSURE (group);
    group->id = id;
    s_init (&group->lines);
    s_join (&group->turn, &way->groups);
    s_join (&group->bucket, head);
    return group;
}

static line_t *
s_line (way_t *way, const sender_t *sender)
{
    line_t *line = s_find_line (way, sender->peer);
    if (line)
        return line;
    line = calloc (1, sizeof *line);
    ENSURE (line);
    line->peer = sender->peer;
    line->group = s_group (way, sender->group);
    line->last = &line->first;
    s_join (&line->turn, &line->group->lines);
    s_join (&line->bucket, &way->by_peer [s_bucket ((uintptr_t) sender->peer)]);
    return line;
}

static void
s_line_up (handoff_t *self, way_t *way, const sender_t *sender, const letter_t *letter,
           berth_bytes_t body, berth_bytes_t data, bool control)
{
    item_t *item = malloc (sizeof *item + body.size + data.size);
    ENSURE (item);
    item->next = NULL;
    item->letter = *letter;
    item->control = control;
    item->body_size = body.size;
    item->data_size = data.size;
    memcpy (item->bytes, body.data, body.size);
    if (data.size)
        memcpy (item->bytes + body.size, data.data, data.size);
    line_t *line = s_line (way, sender);
    *line->last = item;
    line->last = &item->next;
    line->bytes += body.size + data.size;
    self->bytes += body.size + data.size;
    self->waiting++;
}

//  The next one by turns; its line goes behind the others of its group, and that behind the other
//  groups.
static item_t *
s_next (handoff_t *self, way_t *way)
{
    group_t *group = of (way->groups.next, group_t, turn);
    line_t *line = of (group->lines.next, line_t, turn);
    item_t *item = line->first;
    line->first = item->next;
    size_t size = item->body_size + item->data_size;
    line->bytes -= size;
    self->bytes -= size;
    self->waiting--;
    s_leave (&line->turn);
    if (line->first)
        s_join (&line->turn, &group->lines);
    else {
        s_leave (&line->bucket);
        free (line);
    }
    s_leave (&group->turn);
    if (group->lines.next != &group->lines)
        s_join (&group->turn, &way->groups);
    else {
        s_leave (&group->bucket);
        free (group);
    }
    return item;
}

void
handoff_destroy (handoff_t **self_p)
{
    handoff_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, HANDOFF_MAGIC);
    for (int actor = 0; actor < ACTOR_COUNT; actor++)
        while (self->ways [actor].groups.next != &self->ways [actor].groups)
            free (s_next (self, &self->ways [actor]));
    post_destroy (&self->post);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

//  ---- handing on

sender_t
handoff_sender (const peer_t *peer, bool network)
{
    uint64_t group = network ? 14695981039346656037u : (uintptr_t) peer;
    for (const char *at = network ? peer->principal : ""; *at; at++)
        group = (group ^ (uint8_t) *at) * 1099511628211u;
    return (sender_t) { group, peer };
}

//  Is there room in the window of an actor? Writers take a whole batch into one commit; reads are so
//  short that a small window keeps the reader going.
static bool
s_room (const way_t *way, const actor_stats_t *stats)
{
    bool reads = stats == actor_stats_of (ACTOR_READER);
    unsigned window = reads ? BERTH_WINDOW_READS : BERTH_WINDOW_MAX;
    uint64_t letters = way->handed - stats->taken, bytes = way->handed_bytes - stats->taken_bytes;
    return letters == 0 || (letters < window && bytes < BERTH_WINDOW_BYTES);
}

//  There is room: the window is the bound of an inbox, which has none of its own.
static void
s_post (handoff_t *self, actor_code_t to, const letter_t *letter, berth_bytes_t body,
        berth_bytes_t data)
{
    ENSURE (post_letter (self->post, to, NULL, INBOX_CLIENTS, letter, body, data, NULL) == 0);
    self->ways [to].handed++;
    self->ways [to].handed_bytes += body.size + data.size;
}

static int
s_refuse (actor_stats_t *stats, const char *limit, uint64_t value, const char *what,
          berth_error_t *err)
{
    stats->busy++;
    err->retry_after_ms = BERTH_BUSY_PACE_MS;
    err->limit_value = value;
    berth_error_set (err->limit, sizeof err->limit, "%s", limit);
    berth_error_set (err->remedy, sizeof err->remedy, "wait for answers before asking more");
    return berth_fail (err, BERTH_BUSY, "%s", what);
}

int
handoff_request (handoff_t *self, actor_code_t to, const sender_t *sender, const letter_t *letter,
                 berth_bytes_t body, berth_bytes_t data, berth_error_t *err)
{
    CHECK (self, HANDOFF_MAGIC);
    way_t *way = &self->ways [to];
    actor_stats_t *stats = actor_stats_of (to);
    const line_t *line = s_find_line (way, sender->peer);
    if (!line && s_room (way, stats)) {
        s_post (self, to, letter, body, data);
        return 0;
    }
    size_t size = body.size + data.size;
    if (line && line->bytes + size > BERTH_LINE_BYTES)
        return s_refuse (stats, "lineBytes", BERTH_LINE_BYTES,
                         "too many bytes of this peer's requests wait for their turn", err);
    if (self->bytes + size > BERTH_WAITING_BYTES && (line || size > SMALL))
        return s_refuse (stats, "waitingBytes", BERTH_WAITING_BYTES,
                         "too many bytes of requests wait for their turn", err);
    s_line_up (self, way, sender, letter, body, data, false);
    return 0;
}

void
handoff_control (handoff_t *self, actor_code_t to, const sender_t *sender, const letter_t *letter)
{
    CHECK (self, HANDOFF_MAGIC);
    static const berth_bytes_t none = { NULL, 0 };
    way_t *way = &self->ways [to];
    if (s_find_line (way, sender->peer) || !s_room (way, actor_stats_of (to)))
        s_line_up (self, way, sender, letter, berth_empty_map, none, true);
    else
        s_post (self, to, letter, berth_empty_map, none);
}

void
handoff_go_on (handoff_t *self)
{
    for (int to = 0; self->waiting && to < ACTOR_COUNT; to++) {
        way_t *way = &self->ways [to];
        actor_stats_t *stats = actor_stats_of ((actor_code_t) to);
        while (way->groups.next != &way->groups) {
            if (!s_room (way, stats)) {
                //  Whoever takes from it says so from now on; it may just have done that
                stats->wanted = true;
                if (!s_room (way, stats))
                    break;
            }
            item_t *item = s_next (self, way);
            berth_bytes_t body = { item->bytes, item->body_size };
            berth_bytes_t data = { item->data_size ? item->bytes + item->body_size : NULL,
                                   item->data_size };
            if (item->control || peers_pending (self->peers, item->letter.ticket))
                s_post (self, (actor_code_t) to, &item->letter, body, data);
            free (item);
        }
    }
}

size_t
handoff_waiting (const handoff_t *self)
{
    return self->waiting;
}

uint64_t
handoff_waiting_bytes (const handoff_t *self)
{
    return self->bytes;
}

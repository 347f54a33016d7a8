//  events.c - owns `berth events`: the log as a timeline, and what comes, without a gap.

#include "clock.h"
#include "ids.h"
#include "output.h"
#include "service.h"

#include <stdio.h>
#include <string.h>

enum { PAGE = 1000, REPAIR_MS = 1000 };

typedef struct {
    invocation_t *given;
    events_options_t options;
    output_t out;
    uint64_t after;             //  Last companySeq that was printed or looked at
    uint64_t printed;
    int64_t last_at;            //  Of the entry before, for its day
} timeline_t;

//  ---- one entry

//  Ids by their end, as commands take them.
static const char *
s_short (const char *text, arena_t *arena)
{
    return berth_id_is (text) ? arena_printf (arena, "..%s", text + strlen (text) - 8) : text;
}

//  "provider=bubblewrap files=12": the details that are no maps.
static const char *
s_details (berth_bytes_t details, arena_t *arena)
{
    const char *text = "";
    size_t position = 0;
    berth_bytes_t key, value;
    while (any_each (details, &position, &key, &value)) {
        if (value.size == 0 || value.data [0] == 0xc0)
            continue;
        const char *shown = output_json (NULL, value, arena);
        size_t size = strlen (shown);
        if (*shown == '"' && size > 1)
            shown = arena_text (arena, shown + 1, size - 2);
        text = arena_printf (arena, "%s  %.*s=%s", text, (int) key.size, (const char *) key.data,
                             s_short (shown, arena));
    }
    return text;
}

static void
s_print (timeline_t *self, const activity_t *entry, arena_t *arena)
{
    if (self->out.json) {
        printf ("%s\n", output_json (&activity_schema, berth_pack (&activity_schema, entry, arena), arena));
        return;
    }
    if (self->out.quiet) {
        printf ("%s\n", entry->id);
        return;
    }
    char day [40], before [40];
    berth_time_text (entry->created_at, day, sizeof day);
    berth_time_text (self->last_at, before, sizeof before);
    if (self->last_at && strncmp (day, before, 10))
        printf ("---- %.10s\n", day);
    self->last_at = entry->created_at;
    const char *line = arena_printf (arena, "%s  %-34s %-10s%s", output_clock (entry->created_at, arena),
                                     entry->action, s_short (entry->entity, arena),
                                     s_details (entry->details, arena));
    printf ("%.*s\n", self->out.width ? (int) self->out.width : 2000, line);
}

//  The same choice that activity.list makes, for what comes by subscription.
static bool
s_wanted (const timeline_t *self, const activity_t *entry)
{
    const events_options_t *options = &self->options;
    size_t size = options->action ? strlen (options->action) : 0;
    if (options->run && (!entry->run || strcmp (entry->run, options->run)))
        return false;
    if (options->entity && strcmp (entry->entity, options->entity))
        return false;
    if (size && options->action [size - 1] == '.')
        return strncmp (entry->action, options->action, size) == 0;
    return !size || strcmp (entry->action, options->action) == 0;
}

static bool
s_enough (const timeline_t *self)
{
    return self->options.limit && self->printed >= self->options.limit;
}

//  ---- the log

static int
s_page (timeline_t *self, arena_t *arena, activity_page_t *ret_page, berth_error_t *err)
{
    const events_options_t *options = &self->options;
    activity_list_t ask = { .company = self->given->company, .run = options->run,
                            .entity = options->entity, .action = options->action };
    berth_put (activity_list, &ask, after, self->after);
    berth_put (activity_list, &ask, limit, PAGE);
    if (options->since)
        berth_put (activity_list, &ask, since, options->since);
    if (options->until)
        berth_put (activity_list, &ask, until, options->until);
    berth_ask_t how = service_ask (self->given, 0);
    return berth_client_ask (self->given->bus, REQUEST_ACTIVITY_LIST, &ask, &how, arena, ret_page, err);
}

//  Prints what the log has behind `after`, up to its head.
static int
s_list (timeline_t *self, berth_error_t *err)
{
    for (;;) {
        own (arena) arena = arena_new ();
        activity_page_t page;
        if (s_page (self, arena, &page, err))
            return -1;
        if (page.gap)
            output_note ("%llu older entries are no longer kept", (unsigned long long) page.gap);
        for (size_t index = 0; index < page.items.count && !s_enough (self); index++) {
            s_print (self, &page.items.items [index], arena);
            self->printed++;
        }
        fflush (stdout);
        bool more = page.next > self->after && page.next < page.head;
        self->after = page.next > self->after ? page.next : self->after;
        if (!more || s_enough (self) || ferror (stdout))
            return 0;
    }
}

//  ---- what comes

static int
s_follow (timeline_t *self, berth_events_t *events, berth_error_t *err)
{
    while (!s_enough (self) && !ferror (stdout)) {
        own (arena) arena = arena_new ();
        activity_t entry;
        uint64_t head = 0;
        int rc = berth_events_next (events, berth_mono_ms () + REPAIR_MS, arena, &entry, NULL, &head);
        if (rc == 0)
            continue;
        if (rc == 1 && entry.company_seq <= self->after)
            continue;
        if (rc == 1 && entry.company_seq == self->after + 1) {
            self->after++;
            if (s_wanted (self, &entry)) {
                s_print (self, &entry, arena);
                self->printed++;
                fflush (stdout);
            }
            continue;
        }
        //  Something is missing: the log has it, and this entry too.
        if ((rc == 1 || head > self->after) && s_list (self, err) && err->code != BERTH_UNREACHABLE)
            return -1;
    }
    return 0;
}

//  The newest entries when nothing says where to begin.
static int
s_begin (timeline_t *self, berth_error_t *err)
{
    const events_options_t *options = &self->options;
    if (options->after || options->since || options->run || options->entity || options->action
        || self->given->common.all)
        return 0;
    company_ref_t ref = { .company = self->given->company };
    activity_head_t head;
    berth_ask_t how = service_ask (self->given, 0);
    if (berth_client_ask (self->given->bus, REQUEST_ACTIVITY_HEAD, &ref, &how, self->given->arena, &head, err))
        return -1;
    uint64_t wanted = options->limit ? options->limit : BERTH_LIST_DEFAULT;
    self->after = head.company_seq > wanted ? head.company_seq - wanted : 0;
    if (self->after && !self->out.json && !self->out.quiet)
        output_note ("the last %llu of %llu entries; all: --all, or --since 2h",
                     (unsigned long long) wanted, (unsigned long long) head.company_seq);
    return 0;
}

int
events_command (invocation_t *given, berth_error_t *err)
{
    timeline_t self = { .given = given, .out = output_stdout (given->common.json, given->common.quiet) };
    if (berth_unpack (&events_options_schema, given->body, given->arena, &self.options, err))
        return -1;
    self.after = self.options.after;
    if (!self.options.follow)
        return s_begin (&self, err) || s_list (&self, err) ? -1 : 0;

    //  First the subscription, then the log: what is in both is printed once.
    bus_info_t info;
    berth_ask_t how = service_ask (given, 0);
    if (berth_client_ask (given->bus, REQUEST_BUS_INFO, NULL, &how, given->arena, &info, err))
        return -1;
    berth_connect_t connect = given->connect;
    connect.endpoint = service_beside (given, arena_text (given->arena, (const char *) info.events.data,
                                                          info.events.size));
    if (!*connect.endpoint)
        return berth_fail (err, BERTH_UNSUPPORTED, "the service sends no activity over TCP");
    own (berth_events) events = berth_events_open (&connect, given->company, err);
    if (!events || s_begin (&self, err) || s_list (&self, err) || s_follow (&self, events, err))
        return -1;
    return 0;
}

//  daemon_options.c - owns the table of berthd's options.

#include "daemon_options.h"

#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

BERTH_SCHEMA (daemon_options, DAEMON_OPTIONS, SCHEMA_STRICT, "Options of berthd.");

enum { STORE_LEAST = 1 << 20 };

int
daemon_options_uids (const char *text, uint32_t *ret_first, uint32_t *ret_count)
{
    char *colon, *end;
    errno = 0;
    unsigned long long first = strtoull (text, &colon, 10);
    if (*text < '0' || *text > '9' || *colon != ':' || colon [1] < '0' || colon [1] > '9')
        return -1;
    unsigned long long count = strtoull (colon + 1, &end, 10);
    if (errno || *end || first < 1000 || first > 4000000000u || count == 0 || count > 100000000u)
        return -1;
    *ret_first = (uint32_t) first;
    *ret_count = (uint32_t) count;
    return 0;
}

int
daemon_options_read (char **argv, arena_t *arena, daemon_options_t *ret_options, berth_error_t *err)
{
    berth_bytes_t body = berth_empty_map;
    uint32_t first, count;
    int at = 1;
    berth_error_set (err->remedy, sizeof err->remedy, "see: berthd --help");
    while (argv [at]) {
        int rc = flags_take (&daemon_options_schema, "h=help", argv, &at, arena, &body, err);
        if (rc < 0)
            return -1;
        if (rc == 0)
            return berth_fail (err, BERTH_INVALID, argv [at] [0] == '-' ? "no option '%.80s'"
                               : "one argument too many: '%.80s'", argv [at]);
    }
    daemon_options_t options;
    if (berth_unpack (&daemon_options_schema, body, arena, &options, err))
        return -1;
    if (options.store_max && options.store_max < STORE_LEAST)
        return berth_fail (err, BERTH_INVALID, "--store-max must be 1M at least");
    if (options.uids && daemon_options_uids (options.uids, &first, &count))
        return berth_fail (err, BERTH_INVALID, "--uids: '%.40s' is no range: 900000:50000, above 1000",
                           options.uids);
    *ret_options = options;
    return 0;
}

void
daemon_options_help (void)
{
    printf ("berthd - leases places where work may run, and never forgets one\n\n"
            "  berthd [OPTION...]\n\n");
    for (size_t index = 0; index < daemon_options_schema.count; index++)
        option_print (&daemon_options_schema.fields [index], "h=help");
    putchar ('\n');
    option_print_folded ("It runs in the foreground. SIGTERM stops it in at most ten seconds and leaves places and "
                         "their commands alone for the next start; `berth bus shutdown --release` closes them "
                         "first.", 0);
}

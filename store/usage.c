//  usage.c - owns the table `usage`: a company's counters.

#include "usage.h"

#include "states.h"
#include "store_lmdb.h"

#include <string.h>

static store_key_t
s_key (const char *company)
{
    store_key_t key = { 0 };
    key_text (&key, company);
    return key;
}

int
usage_get (store_txn_t *txn, const char *company, usage_t *ret_usage, berth_error_t *err)
{
    store_key_t key = s_key (company);
    berth_bytes_t value;
    int rc = store_raw_get (txn, DB_USAGE, &key, &value, err);
    if (rc < 0)
        return -1;
    *ret_usage = (usage_t) { 0 };
    if (rc == 0 && value.size == sizeof *ret_usage)
        memcpy (ret_usage, value.data, sizeof *ret_usage);
    return 0;
}

//  What one row counts for. Of an exec that runs, nobody knows its output here.
static usage_t
s_of (table_t table, const void *row)
{
    usage_t usage = { 0 };
    if (row && table == TABLE_LEASES)
        usage.leases = !lease_settled (((const lease_t *) row)->state);
    else if (row && table == TABLE_EXECS) {
        const exec_t *exec = row;
        uint64_t bytes = exec->stdout_bytes + exec->stderr_bytes;
        usage.execs = exec->state != exec_state_ENDED;
        if (!usage.execs && !exec->output_gone)
            usage.spooled = bytes < exec->spool_max ? bytes : exec->spool_max;
    }
    return usage;
}

static uint64_t
s_sum (uint64_t count, uint64_t less, uint64_t more)
{
    count += more;
    return count > less ? count - less : 0;
}

int
usage_move (store_txn_t *txn, table_t table, const void *old, const void *row, berth_error_t *err)
{
    if (table != TABLE_LEASES && table != TABLE_EXECS)
        return 0;
    usage_t before = s_of (table, old), after = s_of (table, row);
    if (memcmp (&before, &after, sizeof before) == 0)
        return 0;
    const void *known = row ? row : old;
    const char *company = table == TABLE_LEASES ? ((const lease_t *) known)->company
                                                : ((const exec_t *) known)->company;
    usage_t usage;
    if (usage_get (txn, company, &usage, err))
        return -1;
    usage = (usage_t) {
        .leases = s_sum (usage.leases, before.leases, after.leases),
        .execs = s_sum (usage.execs, before.execs, after.execs),
        .spooled = s_sum (usage.spooled, before.spooled, after.spooled),
    };
    store_key_t key = s_key (company);
    return store_raw_put (txn, DB_USAGE, &key,
                          (berth_bytes_t) { (const uint8_t *) &usage, sizeof usage }, err);
}

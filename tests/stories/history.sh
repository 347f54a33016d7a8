#!/bin/bash
#  history.sh - what concurrent clients saw of leases, with berthd killed in between, is linearizable;
#  two holders and a stale one are found.
#
#  timeout: 180
#  slow
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
export TMPDIR=$here

say "every history is linearizable"
"$BERTH_SOURCE/tests/history/run" --ops 6000

for fault in two-holders stale-holder; do
    say "it sees the fault $fault"
    if BERTH_PLANT=$fault "$BERTH_SOURCE/tests/history/run" --ops 4000; then
        story_fail "the checker stays green with $fault"
    fi
done

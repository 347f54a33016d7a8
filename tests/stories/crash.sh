#!/bin/bash
#  crash.sh - berthd and its shims are killed some hundreds of times at calls and at moments while
#  clients acquire, execute, release and retry: nothing is lost, and a planted loss is seen.
#
#  timeout: 240
#  slow
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
export TMPDIR=$here

say "nothing is lost"
"$BERTH_SOURCE/tests/crash/run" --kills 300 --season 100 --seconds 45 --least 60

for fault in reply-before-commit entry-skipped; do
    say "it sees the fault $fault"
    if BERTH_PLANT=$fault "$BERTH_SOURCE/tests/crash/run" --kills 300 --losses 1 --seconds 15; then
        story_fail "the harness stays green with $fault"
    fi
done

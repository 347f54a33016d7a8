#!/bin/bash
#  retried_runs.sh - whole runs under keys while berthd is killed thirty times: each of their steps
#  was done once.
#
#  timeout: 300
#  slow
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

mkdir -p -m 711 "$BERTH_STATE"
/usr/bin/python3 -B "$BERTH_SOURCE/tests/retry_client.py" "$BERTH_BUILD/berthd" "$BERTH_STATE" runs 30

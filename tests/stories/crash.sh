#!/bin/bash
#  crash.sh - berthd is killed twenty times while clients acquire, release and retry.
#
#  timeout: 300
#  slow
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

mkdir -p -m 711 "$BERTH_STATE"
/usr/bin/python3 -B "$BERTH_SOURCE/tests/crash_client.py" "$BERTH_BUILD/berthd" "$BERTH_STATE" 20

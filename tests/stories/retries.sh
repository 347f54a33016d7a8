#!/bin/bash
#  retries.sh - every request that writes is asked again: its answer lost, its service killed.
#
#  timeout: 300
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

mkdir -p -m 711 "$BERTH_STATE"
/usr/bin/python3 -B "$BERTH_SOURCE/tests/retry_client.py" "$BERTH_BUILD/berthd" "$BERTH_STATE" rows

#!/bin/bash
#  foreign_retry.sh - a client in another language, with keys, under a service that is killed
#  timeout: 240
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

mkdir -p -m 711 "$BERTH_STATE"
/usr/bin/python3 -B "$BERTH_SOURCE/tests/foreign_retry.py" "$BERTH_BUILD/berthd" "$BERTH_STATE"

#!/bin/bash
#  foreign_client.sh - a client in another language, which knows only messages/README.md
#  timeout: 240
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

service_start
/usr/bin/python3 -B "$BERTH_SOURCE/tests/foreign_client.py" "$BERTH_STATE/run"
service_stop

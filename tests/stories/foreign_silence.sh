#!/bin/bash
#  foreign_silence.sh - a client that says nothing loses its streams, is told so, and reads on
#  slow
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

service_start
/usr/bin/python3 -B "$BERTH_SOURCE/tests/foreign_client.py" "$BERTH_STATE/run" silent
service_stop

#!/bin/bash
#  vanish.sh - clients that go in every state, halves of messages and bombs leave nothing behind
#
#  timeout: 300
#  slow
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

#  What is freed must not be kept for long, or nobody could tell whether the service grows.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:quarantine_size_mb=8:thread_local_quarantine_size_kb=64"
service_start --test-providers
fault=$(berth --json env create hangs --driver sandbox \
    --config '{"provider":"fault","faults":[{"verb":"acquire","do":"hang","ms":1500}]}' | field id)
/usr/bin/python3 -B "$BERTH_SOURCE/tests/foreign_vanish.py" "$BERTH_STATE/run" "$service_pid" "$fault"
service_release
nothing_left

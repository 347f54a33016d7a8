#!/bin/bash
#  watch.sh - the keeper of each test sees lateness, leftovers and signals, and passes on the rest.
#
#  slow
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
watch=$BERTH_BUILD/tests/watch

say "the command's own status"
ends_with 0 "$watch" 5 true
ends_with 7 "$watch" 5 bash -c 'exit 7'
ends_with 143 "$watch" 5 bash -c 'kill -TERM $$'
has "$output" "ended by signal 15"
ends_with 125 "$watch" 5 "$here/there-is-no-such-program"
ends_with 125 "$watch" 0 true

say "what is left behind: without parent, session, environment"
ends_with 123 "$watch" 20 bash -c 'setsid env -i /usr/bin/tail -f /dev/null >/dev/null 2>&1 &'
has "$output" "LEFT: process"
has "$output" "tail -f /dev/null"
ends_with 123 "$watch" 20 bash -c '(trap "" TERM HUP INT; exec -a stubborn tail -f /dev/null) >/dev/null 2>&1 &'
has "$output" "stubborn"

say "what is just ending is waited for"
ends_with 0 "$watch" 20 bash -c '(exec timeout 0.3 tail -f /dev/null) >/dev/null 2>&1 &'

say "what takes too long, and is deaf"
ends_with 124 "$watch" 1 tail -f /dev/null
has "$output" "LATE: not done after 1 s"
ends_with 124 "$watch" 1 bash -c 'trap "" TERM; tail -f /dev/null'

say "a stop from outside ends all of it"
"$watch" 60 bash -c 'echo $$; exec tail -f /dev/null' >"$here/pid" &
keeper=$!
await 5 test -s "$here/pid"
kill -TERM $keeper
status=0
wait $keeper || status=$?
same 143 $status
gone "$(cat "$here/pid")" || story_fail "the test outlives its keeper"

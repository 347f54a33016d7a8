#!/bin/bash
#  restart.sh - what berthd was told and what it opened outlives it: kill -9, SIGTERM, and a
#  shutdown that closes everything.
#
#  timeout: 240
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

#  Prints, waits for a file that we put into its workspace, prints the rest.
script='echo before; until [ -e go ]; do sleep 0.02; done; seq 300000; echo after >&2; exit 9'
expected=$({ echo before; seq 300000; } | sha256sum)

lease_state ()
{
    berth --json lease show "$1" | field state
}

started_at ()   #  exec: its own time of start, so that a second start would show
{
    berth --json exec show "$1" | field startedAt
}

service_start
berth env create box --driver sandbox --config '{"provider":"bubblewrap"}' >/dev/null
lease=$(berth --json lease acquire box | field id)
other=$(berth --json lease acquire box | field id)

say "an exec that is killed away from its berthd goes on"
exec=$(berth --json exec start "$lease" -- sh -c "$script" | field id)
await 20 eval '[ "$(berth exec logs "$exec" 2>/dev/null)" = before ]'
background=$(berth --json exec start "$lease" -- sh -c 'echo $$ >pid; tail -f /dev/null' | field id)
await 20 test -s "$BERTH_STATE/places/$lease/workspace/pid"
begun=$(started_at "$exec")
"$BERTH_BUILD/berth" exec logs --follow --stream stdout "$exec" >"$here/followed" 2>"$here/words" &
follower=$!
await 20 grep -q before "$here/followed"
service_kill
has "$(story_processes)" berth-shim
touch "$BERTH_STATE/places/$lease/workspace/go"
first=$service_id
service_start
[ "$first" != "$service_id" ] || story_fail "the instance is the same after a restart"

say "and is read to its end, once it came back"
ends_with 9 berth exec wait "$exec"
same "$expected" "$(berth exec logs --stream stdout "$exec" | sha256sum)"
same after "$(berth exec logs --stream stderr "$exec" 2>&1)"
same "$begun" "$(started_at "$exec")" "startedAt"
same exited "$(berth --json exec show "$exec" | field cause)"
wait $follower || story_fail "the follower ended with $?: $(cat "$here/words")"
same "$expected" "$(sha256sum <"$here/followed")" "what was followed through the restart"

say "leases and places are as they were"
same active "$(lease_state "$lease")"
same active "$(lease_state "$other")"
same running "$(berth --json exec show "$background" | field state)"
ends_with 0 berth exec attach "$(berth --json exec start "$lease" -- sh -c 'kill -0 $(cat pid)' | field id)"

say "SIGTERM leaves places and execs alone"
service_stop
has "$(story_processes)" berth-shim
service_start
same active "$(lease_state "$lease")"
same running "$(berth --json exec show "$background" | field state)"

say "a shim that died while nobody was there: its lease is given back, and not held for ever"
service_stop
kill -KILL "$(/usr/bin/python3 -c '
import msgpack, sys
print(msgpack.unpack(open(sys.argv[1], "rb"))["pid"])' "$BERTH_STATE/places/$other/shim.msgpack")"
service_start
await 30 eval '[ "$(lease_state "$other")" = failed ]'
same active "$(lease_state "$lease")"

say "a shutdown with --release closes them"
service_release
nothing_left
same '' "$(ls -A "$BERTH_STATE/places")" "places"
service_start
same released "$(lease_state "$lease")"
same lease_lost "$(berth --json exec show "$background" | field cause)"
has "$(berth --json exec show "$background" | field reason)" "its lease ended"
same "$expected" "$(berth exec logs --stream stdout "$exec" | sha256sum)"
service_release

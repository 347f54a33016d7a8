#!/bin/bash
#  queue.sh - a workspace that takes one lease at a time: those that come later wait in line, hear where
#  they stand, lose their place to no crash, and leave when nobody wants it any more.
#
#  timeout: 180
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

lease ()        #  run option...: a lease on the workspace that is not waited for
{
    berth --json lease acquire box --execution-workspace-id shared --heartbeat-run-id "$1" "${@:2}"
}

#  In the background, with signals as at a terminal.
there ()        #  argument...: $waits is its process
{
    : >"$here/told"
    env --default-signal=INT "$BERTH_BUILD/berth" "$@" >"$here/out" 2>"$here/told" &
    waits=$!
}

#  How that ended.
left ()         #  status
{
    local status=0
    wait $waits || status=$?
    same "$1" "$status" "status of berth"
}

shown ()        #  lease field
{
    berth --json lease show "$1" | field "$2"
}

is ()           #  lease field value
{
    [ "$(shown "$1" "$2")" = "$3" ]
}

service_start
berth env create box --driver sandbox --config '{"provider":"bubblewrap"}' >/dev/null
berth workspace create shared --project-id p --concurrency serialize >/dev/null

say "one has it, others wait in the order in which they came"
first=$(lease r1 | field id)
same active "$(shown "$first" state)"
row=$(lease r2 --no-wait)
second=$(field id <<<"$row")
same pending "$(field state <<<"$row")"
same 1 "$(field queuePosition <<<"$row")"
third=$(lease r3 --no-wait | field id)
same 2 "$(shown "$third" queuePosition)"
same 1 "$(ls "$BERTH_STATE/places" | wc -l)" "places"

say "a crash takes nobody's place"
service_kill
service_start
same 1 "$(shown "$second" queuePosition)"
same 2 "$(shown "$third" queuePosition)"
same active "$(shown "$first" state)"

say "its turn comes when the one before has left"
berth lease release "$first" >/dev/null
await 30 is "$second" state active
same 1 "$(shown "$third" queuePosition)"
exec=$(berth --json exec start "$second" -- sh -c 'echo here' | field id)
ends_with 0 berth exec wait "$exec"

say "whoever waits at a terminal hears where it stands, and leaves with Ctrl-C"
there lease acquire box --execution-workspace-id shared --heartbeat-run-id r4
await 30 grep -q 'position 2' "$here/told"
fourth=$(berth --json lease list --heartbeat-run-id r4 | field id)
berth lease release "$third" >/dev/null
await 30 grep -q 'position 1' "$here/told"
same released "$(shown "$third" state)"
kill -INT $waits
left 130
await 30 eval '[[ $(shown "$fourth" state) =~ ^(failed|released)$ ]]'

say "killed, it leaves when its deadline has passed"
there lease acquire box --execution-workspace-id shared --heartbeat-run-id r5 --deadline 2s
await 30 eval '[ "$(berth --json lease list --heartbeat-run-id r5 | field state)" = pending ]'
fifth=$(berth --json lease list --heartbeat-run-id r5 | field id)
kill -9 $waits
left 137
await 30 is "$fifth" state failed

say "a run waits, too, and works when it is its turn"
there run --on box --for shared --run r6 --no-workspace -- sh -c 'echo ran'
await 30 grep -q 'position 1' "$here/told"
berth lease release "$second" >/dev/null
left 0
same ran "$(cat "$here/out")"
has "$(cat "$here/told")" "it is the turn of lease"

say "and one that is given up leaves the line"
holder=$(lease r7 | field id)
there run --on box --for shared --run r8 --no-workspace -- true
await 30 grep -q 'position 1' "$here/told"
kill -INT $waits
left 130
same released "$(berth --json lease list --heartbeat-run-id r8 | field state)"
same active "$(shown "$holder" state)"

say "the log has it"
has "$(berth --json events list --action environment.lease_queued | field -a entityId)" "$second"
berth events verify >/dev/null
service_release

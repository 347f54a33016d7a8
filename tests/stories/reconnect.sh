#!/bin/bash
#  reconnect.sh - berthd is killed and started again under commands that run: they say one line and
#  go on; what they print is whole, and how they end is right.
#
#  timeout: 240
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

went_away='berth: the service went away, trying again'
work=$here/work
mkdir "$work"
for number in $(seq 300); do
    echo "$number" >"$work/file$number"
done

#  Begins `berth run` in the background; its run is named.
begin ()        #  run script
{
    (cd "$work" && exec "$BERTH_BUILD/berth" run --on box --return --run "$1" -- sh -c "$2") \
        >"$here/$1.out" 2>"$here/$1.err" </dev/null &
    runner=$!
}

ended ()        #  run status expected-output
{
    local status=0
    wait $runner || status=$?
    same "$2" "$status" "exit status of run $1: $(cat "$here/$1.err")"
    same "$3" "$(cat "$here/$1.out")" "output of run $1"
    same released "$(berth --json bus call run.get "{\"heartbeatRunId\":\"$1\"}" | field state)" "state of run $1"
    same 1 "$(berth --json lease list --heartbeat-run-id "$1" | field -a id | wc -l)" "leases of run $1"
}

said ()         #  run times
{
    same "$2" "$(grep -cxF "$went_away" "$here/$1.err")" "lines of a loss: $(cat "$here/$1.err")"
}

again ()
{
    service_kill
    service_start
}

asked ()        #  how much execs was asked
{
    berth --json bus stats | /usr/bin/python3 -c '
import json, sys
print(sum(row["requests"] for row in json.load(sys.stdin)["actors"] if row["name"] == "execs"))'
}

entry ()        #  run action: has the log one?
{
    berth --json events --run "$1" --action "$2" | grep -q .
}

service_start
berth env create box --driver sandbox --config '{"provider":"bubblewrap"}' >/dev/null
script='echo begun; until [ -e go ]; do sleep 0.02; done; seq 50000; echo once >>count; exit 9'
expected=$(echo begun; seq 50000)

say "in the middle of its command: twice"
begin one "$script"
await 20 grep -qx begun "$here/one.out"
lease=$(berth --json lease list --heartbeat-run-id one | field id)
again
await 20 grep -cxF "$went_away" "$here/one.err"
berth --json exec list --lease-id "$lease" >/dev/null
again
touch "$BERTH_STATE/places/$lease/workspace/go"
ended one 9 "$expected"
same once "$(cat "$work/count")" "what came home"
[ "$(grep -cxF "$went_away" "$here/one.err")" -le 2 ] || story_fail "too many words: $(cat "$here/one.err")"

say "before its place is open, while its files go in, while they come home"
touch "$work/go"
for moment in run.acquiring run.realizing run.ready exec.ended; do
    rm -f "$work/count"
    begin "$moment" "$script"
    await 20 entry "$moment" "$moment"
    again
    ended "$moment" 9 "$expected"
    same once "$(cat "$work/count")" "what came home, killed behind $moment"
    same 1 "$(berth --json exec list --lease-id \
        "$(berth --json lease list --heartbeat-run-id "$moment" | field id)" | field -a id | wc -l)" "execs"
done

say "a follower of output sees no seam, and a wait waits on"
lease=$(berth --json lease acquire box | field id)
exec=$(berth --json exec start "$lease" -- sh -c 'echo begun; until [ -e go ]; do sleep 0.02; done; seq 90000; exit 4' \
    | field id)
"$BERTH_BUILD/berth" exec logs --follow "$exec" >"$here/follow.out" 2>"$here/follow.err" &
follower=$!
await 20 grep -qx begun "$here/follow.out"
before=$(asked)
"$BERTH_BUILD/berth" exec wait "$exec" 2>"$here/wait.err" &
waiter=$!
await 20 eval '[ "$(asked)" -gt "$before" ]'
again
await 20 grep -cxF "$went_away" "$here/wait.err"
await 20 grep -cxF "$went_away" "$here/follow.err"
touch "$BERTH_STATE/places/$lease/workspace/go"
status=0
wait $waiter || status=$?
same 4 "$status" "exit status of a wait: $(cat "$here/wait.err")"
wait $follower || story_fail "the follower ended: $(cat "$here/follow.err")"
same "$(echo begun; seq 90000)" "$(cat "$here/follow.out")" "what was followed"
said wait 1
said follow 1

say "without a service it ends in time, and says so"
service_kill
ends_with 3 berth --deadline-ms 500 lease list
has "$output" "no service answers"
service_start
service_release

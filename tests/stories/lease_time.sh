#!/bin/bash
#  lease_time.sh - the time of leases: a wall clock that is set ends nothing early and nothing late, also
#  across a restart; what expires is announced, drained and brought home; a run that falls silent gives
#  back what it holds.
#
#  timeout: 120
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

wall=$here/wall

wall_set ()     #  milliseconds ahead of the real one
{
    /usr/bin/python3 -c 'import struct, sys
with open(sys.argv[1], "r+b") as file: file.write(struct.pack("=q", int(sys.argv[2])))' "$wall" "$1"
}

#  berthd under a wall clock of its own, and nothing else.
service_start_set ()
{
    mkdir -p -m 711 "$BERTH_STATE"
    LD_PRELOAD=$BERTH_BUILD/tests/libwall_clock.so BERTH_WALL=$wall \
        ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 \
        "$BERTH_BUILD/berthd" --state "$BERTH_STATE" --runtime "$BERTH_STATE/run" --local-root \
        >>"$service_log" 2>&1 </dev/null &
    service_pid=$!
    await 30 service_answers
}

state ()        #  lease
{
    berth --json lease show "$1" | field state
}

is ()           #  lease state
{
    [ "$(state "$1")" = "$2" ]
}

said ()         #  action lease: how often
{
    berth bus call activity.list "{\"action\":\"$1\",\"entityId\":\"$2\",\"limit\":1000}" | grep -c '"action"' || true
}

lease ()        #  environment milliseconds [option]...
{
    berth --json lease acquire "$1" --max-lease-ms "$2" "${@:3}" | field id
}

head -c 8 /dev/zero >"$wall"
service_start_set
berth env create here --driver local >/dev/null

say "the wall clock is set by a day, forward and back, all the time"
/usr/bin/python3 - "$wall" "$BERTH_BUILD/berth" <<'PYTHON'
import json, struct, subprocess, sys, time
wall, berth = sys.argv[1:]
LIFE, SLACK = 4.0, 1.0

def ask(*words):
    return json.loads(subprocess.run([berth, "--json", *words], check=True, capture_output=True).stdout)

def set_wall(days):
    with open(wall, "r+b") as file:
        file.write(struct.pack("=q", days * 86400000))

begun = time.monotonic()
lease = ask("lease", "acquire", "here", "--max-lease-ms", str(int(LIFE * 1000)))["id"]
granted = time.monotonic()
for turn in range(10000):
    set_wall((1, 0, -1, 0)[turn % 4])
    asked = time.monotonic()
    state = ask("lease", "show", lease)["state"]
    answered = time.monotonic()
    if state != "active":
        assert answered >= begun + LIFE, f"early: {state} after {answered - begun:.3f} s"
        break
    assert asked <= granted + LIFE + SLACK, f"late: {state} after {asked - granted:.3f} s"
else:
    raise AssertionError("it never ended")
assert turn >= 8, "the clock was hardly set"
set_wall(0)
PYTHON

say "berthd dies, the clock is set back by a day: what had two seconds has two seconds"
short=$(lease here 2000)
long=$(lease here 60000)
service_kill
wall_set -86400000
service_start_set
await 4 is "$short" expired
same active "$(state "$long")"
wall_set 86400000
same active "$(state "$long")"
wall_set 0

say "its end is announced once, also across a restart"
soon=$(lease here 11000)
same 0 "$(said environment.lease_expiring "$soon")"
await 5 eval '[ "$(said environment.lease_expiring "$soon")" = 1 ]'
service_kill
service_start_set
has "$(berth status)" "lease $soon of default in " status
has "$(berth status)" "by maxLeaseMs" status
same 1 "$(said environment.lease_expiring "$soon")"
berth lease release "$soon" >/dev/null
service_release
rm -rf "$BERTH_STATE"

say "renewing says what was granted, and what clipped it"
service_start
berth env create box --driver sandbox --config '{"provider":"bubblewrap"}' \
    --policy '{"returnOnExpiry":true,"maxLeaseMs":60000,"lostAfterMs":2000}' >/dev/null
id=$(lease box 30000)
has "$(berth lease renew "$id" --ms 90000)" maxLeaseMs "lease renew"
has "$(berth lease show "$id")" maxLeaseMs "lease show"
berth lease release "$id" >/dev/null

say "what expires is drained: TERM, time to tidy up, the files come home, the place goes"
mkdir -p "$here/work"
echo mine >"$here/work/file"
chmod -R a+rwX "$here/work"
run ()          #  request body
{
    berth --json bus call "$1" "$2"
}
run run.acquire '{"heartbeatRunId":"r1","selectedEnvironmentId":"'"$(berth --json env show box | field id)"'","maxLeaseMs":6000}' >"$here/acquired"
id=$(field lease.id <"$here/acquired")
run run.realize '{"heartbeatRunId":"r1","executionWorkspace":{"cwd":"'"$here/work"'","source":"task_session"}}' >/dev/null
berth exec start "$id" -- sh -c 'trap "echo tidied >tidied; exit 0" TERM; echo ready; while :; do read -t 1 x </dev/zero || :; done' >/dev/null
await 20 is "$id" expired
same tidied "$(cat "$here/work/tidied")" "what its last words were"
same 1 "$(said workspace.returned "$id")" "returns"
same 0 "$(find "$BERTH_STATE/places" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" places

say "what must come home stays, with an end, and berth doctor knows"
run run.acquire '{"heartbeatRunId":"r2","selectedEnvironmentId":"'"$(berth --json env show box | field id)"'"}' >"$here/acquired"
id=$(field lease.id <"$here/acquired")
run run.realize '{"heartbeatRunId":"r2","return":"required","executionWorkspace":{"cwd":"'"$here/work"'","source":"task_session"}}' >/dev/null
berth lease release "$id" --wait=false >/dev/null
await 10 is "$id" retained
has "$(berth --json lease show "$id" | field endsBy)" retained
has "$(berth doctor)" "its files are kept until they are fetched; that ends in 604" doctor
has "$(berth doctor)" "berth workspace return $id" doctor
ends_with 0 berth workspace return "$id"
await 10 is "$id" released
lacks "$(berth doctor)" "$id" doctor

say "a run that once sent a heartbeat and fell silent gives back what it holds, once"
run run.acquire '{"heartbeatRunId":"r3","selectedEnvironmentId":"'"$(berth --json env show box | field id)"'"}' >"$here/acquired"
id=$(field lease.id <"$here/acquired")
run run.heartbeat '{"heartbeatRunId":"r3"}' >/dev/null
await 15 is "$id" failed
has "$(berth --json lease show "$id" | field failureReason)" "sent no heartbeat for"
same process_lost "$(run run.get '{"heartbeatRunId":"r3"}' | field errorCode)"
service_kill
service_start
same 1 "$(said environment.lease_released "$id")" releases
service_release

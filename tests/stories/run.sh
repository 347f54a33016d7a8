#!/bin/bash
#  run.sh - `berth run` as people use it, from its start to what it leaves: nothing.
#
#  timeout: 300
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
mkdir "$here/work"
cd "$here/work"
echo one >one
go=$here/go                         #  What a command waits for: a line on its stdin
mkfifo "$go"
exec {hold}<>"$go"

#  Starts a run behind us and waits until its command says `ready`. Its words: $here/out, $here/err.
run_behind ()   #  option... -- command...
{
    : >"$here/out"
    "$BERTH_BUILD/berth" run "$@" <"$go" >"$here/out" 2>"$here/err" {hold}>&- &
    run_pid=$!
    await 30 grep -q ready "$here/out"
}

run_ended ()    #  status
{
    local status=0
    wait "$run_pid" || status=$?
    same "$1" "$status" "exit status of the run ($(cat "$here/err"))"
}

say "without a service: a private one, for this one run"
private ()
{
    env -u BERTH_STATE "$BERTH_BUILD/berth" run "$@" {hold}>&-
}
private -- sh -c 'cat one; echo err >&2; exit 3' </dev/null >"$here/out" 2>"$here/err" && status=0 || status=$?
same 3 "$status"
same one "$(cat "$here/out")" stdout
has "$(cat "$here/err")" "a private one is started"
has "$(cat "$here/err")" $'\nerr' stderr
same '' "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'berth.??????' -newer "$here/work/one")" "its folder"
nothing_left

say "a service that stays"
service_start
same one "$(berth run -- cat one </dev/null 2>"$here/err")"
same '' "$(cat "$here/err")" "words beside the command's"

say "the exit status is the command's"
ends_with 0 berth run -- true
ends_with 7 berth run -- sh -c 'exit 7'
ends_with 143 berth run -- sh -c 'kill -TERM $$'
ends_with 137 berth run -- sh -c 'kill -KILL $$'
ends_with 127 berth run -- no-such-program
has "$output" "no-such-program"
ends_with 124 berth run --timeout 300ms -- tail -f /dev/null
has "$output" "its time was over"

say "stdin, to its end"
same HELLO "$(echo hello | berth run -- tr a-z A-Z)"
same "$(seq 200000 | sha256sum)" "$(seq 200000 | berth run -- sha256sum)"
same 0 "$(berth run -- wc -c </dev/null)"

say "50 MB of output, whole, and apart from stderr"
same "$(head -c 52428800 < <(seq 7000000 || true) | sha256sum)" \
    "$(berth run -- sh -c 'seq 7000000 | head -c 52428800; echo beside >&2' 2>"$here/err" </dev/null | sha256sum)"
same beside "$(cat "$here/err")"

say "its environment is what is named, and no more"
export MARK=from-here UNSAID=unsaid
has "$(berth run -e GIVEN='a b' -e MARK -e NOT_SET_HERE -- env </dev/null)" "GIVEN=a b"
environment=$(berth run -e GIVEN='a b' -e MARK -- env </dev/null)
has "$environment" "MARK=from-here"
lacks "$environment" unsaid
lacks "$environment" BERTH_STATE

say "paths: a copy of this folder, and what --ro names"
mkdir "$here/tool"
chmod 755 "$here/tool"
echo wrench >"$here/tool/file"
ends_with 1 berth run -- cat "$here/tool/file"
same wrench "$(berth run --ro "$here/tool" -- cat "$here/tool/file" </dev/null)"
ends_with 0 berth run --ro "$here/tool" -- sh -c "! echo x >'$here/tool/file'"
same wrench "$(cat "$here/tool/file")"
ends_with 0 berth run --no-workspace -- sh -c '[ -z "$(ls -A)" ]'
ends_with 2 berth run --ro "$here/nowhere" -- true
has "$output" nowhere

say "no network, unless it is asked for"
/usr/bin/python3 -c '
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    server.accept()[0].close()
' >"$here/port" &
server=$!
await 10 test -s "$here/port"
reach="import socket; socket.create_connection(('127.0.0.1', $(cat "$here/port")), 5)"
ends_with 1 berth run -- /usr/bin/python3 -c "$reach"
has "$output" "refused"
same lo "$(berth run -- sed -n 's/^ *\([a-z0-9]*\):.*/\1/p' /proc/net/dev </dev/null)"
ends_with 0 berth run --net -- /usr/bin/python3 -c "$reach"
kill $server

say "what changed comes home, and only with --return"
berth run -- sh -c 'echo two >two' </dev/null
[ ! -e two ] || story_fail "it came home unasked"
ends_with 0 berth run --return -- sh -c 'echo two >two; mkdir -p a/b; echo c >a/b/c; chmod +x two'
has "$output" "4 added"
same two "$(cat two)"
[ -x two ] || story_fail "the mode of two was lost"
same c "$(cat a/b/c)"
ends_with 0 berth run --return -- rm two
[ ! -e two ] || story_fail "two was deleted there and is here"

say "changed on both sides: both are kept, and it is said"
run_behind --return -- sh -c 'echo ready; read go; echo theirs >one; echo three >three'
echo ours >one
echo >&$hold
run_ended 0
has "$(cat "$here/err")" "conflict: one"
same ours "$(cat one)"
same three "$(cat three)"
other=$(sed -n "s/.*the place's version: \(.*\))/\1/p" "$here/err")
same theirs "$(cat "$other")"

say "Ctrl-C once is the command's"
run_behind -- bash -c 'trap "echo caught; exit 5" INT; echo ready; read go'
kill -INT "$run_pid"
run_ended 5
has "$(cat "$here/out")" caught

say "Ctrl-C twice gives the place back"
run_behind -- bash -c 'trap "" INT TERM; echo ready; while :; do read go; done'
kill -INT "$run_pid"
until within 1 gone_or_zombie "$run_pid"; do        #  Two that come at once may be one
    kill -INT "$run_pid" 2>/dev/null || true        #  It may just have ended
done
run_ended 130

say "a reader that goes away"
status=0
berth run -- yes </dev/null 2>"$here/err" | head -n 1 >"$here/out" || status=${PIPESTATUS[0]}
same y "$(cat "$here/out")"

say "nothing is left"
same '' "$(berth --json --all lease list | field -a state | grep -vE '^(released|failed)$' || true)" "states of leases"
await 10 eval '[ -z "$(ls -A "$BERTH_STATE/places")" ]'
service_release
nothing_left

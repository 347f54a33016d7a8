#!/bin/bash
#  bad_input.sh - what is wrong is answered with the field or the remedy; nothing is lost, nothing
#  leaks, nothing crashes.
#
#  timeout: 240
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
service_start
first=$service_id

#  A raw request is refused with this code, and its sentence names this.
refused ()      #  code word type JSON
{
    local status=0
    output=$(berth bus call "$3" "$4" 2>&1) || status=$?
    [ $status != 0 ] || story_fail "$3 $4 was not refused: $output"
    has "$output" "($1)" "$3 $4"
    has "$output" "$2" "$3 $4"
}

said ()         #  status pattern command...: what people read is one sentence, and a remedy at most
{
    local status=$1 pattern=$2
    shift 2
    ends_with "$status" "$@"
    has "$output" "$pattern" "$*"
    [ "$(wc -l <<<"$output")" -le 3 ] || story_fail "'$*' says too much: $output"
}

berth env create box --driver sandbox --config '{"provider":"bubblewrap"}' >"$here/box"
box=$(berth --json env show box | field id)
lease=$(berth --json lease acquire box | field id)

say "wrong types"
refused invalid_request companyId lease.list '{"companyId":7}'
refused invalid_request environmentId lease.acquire '{"environmentId":"box"}'
refused invalid_request environmentId lease.acquire '{"environmentId":[]}'
refused invalid_request limit lease.list '{"limit":"many"}'
refused invalid_request limit lease.list '{"limit":-1}'
refused invalid_request limit lease.list '{"limit":100000}'
refused invalid_request tty.cols exec.start '{"leaseId":"'"$lease"'","command":"true","tty":{"cols":"wide","rows":1}}'
refused invalid_request args exec.start '{"leaseId":"'"$lease"'","command":"true","args":"one"}'
refused invalid_request args exec.start '{"leaseId":"'"$lease"'","command":"true","args":["a",{}]}'
refused invalid_request config.memoryMb environment.create \
    '{"name":"x","driver":"sandbox","config":{"provider":"bubblewrap","memoryMb":"much"}}'

refused invalid_request companyId lease.list '{"companyId":"a/b"}'
refused invalid_request heartbeatRunId run.get '{"heartbeatRunId":"two\nlines"}'

say "missing fields"
refused invalid_request environmentId lease.acquire '{}'
refused invalid_request name environment.create '{"driver":"local"}'
refused invalid_request driver environment.create '{"name":"x"}'
refused invalid_request leaseId exec.start '{"command":"true"}'
refused invalid_request command exec.start '{"leaseId":"'"$lease"'"}'

say "unknown words"
refused invalid_request driver environment.create '{"name":"x","driver":"submarine"}'
refused invalid_request state lease.list '{"state":"tired"}'
refused invalid_request signal exec.signal '{"execId":"'"$lease"'","signal":"HELLO"}'
refused invalid_request config environment.create \
    '{"name":"x","driver":"sandbox","config":{"provider":"bubblewrap","colour":"red"}}'
refused invalid_request config.network environment.create \
    '{"name":"x","driver":"sandbox","config":{"provider":"bubblewrap","network":"half"}}'
refused unsupported_environment submarine environment.create \
    '{"name":"x","driver":"sandbox","config":{"provider":"submarine"}}'
refused unsupported lease.paint lease.paint '{}'
refused unsupported lease.place lease.place '{}'

say "what is not there"
nowhere=01890a5d-ac96-774b-bcce-b302099a8057
refused environment_not_found "$nowhere" lease.acquire '{"environmentId":"'$nowhere'"}'
refused not_found "$nowhere" lease.get '{"leaseId":"'$nowhere'"}'
refused not_found "$nowhere" exec.get '{"execId":"'$nowhere'"}'
refused not_found "$lease" lease.get '{"leaseId":"'"$lease"'","companyId":"another"}'

say "a command line that is wrong"
said 2 "paint" berth lease paint
said 2 "--colour" berth lease list --colour
said 2 "ENVIRONMENT is missing" berth lease acquire
said 2 "--driver is missing" berth env create x
said 2 "must be one of" berth env create x --driver submarine
said 2 "config" berth env create x --driver local --config '{'
said 10 "no-such" berth lease acquire no-such
said 2 "the command is missing" berth run
said 2 "column 2" berth bus call lease.list '{'

say "a command that does not exist"
said 127 "no-such-program" berth run --on box -- no-such-program
exec=$(berth --json exec start "$lease" -- no-such-program 2>/dev/null | field id)
ends_with 127 berth exec wait "$exec"
same start_failed "$(berth --json exec show "$exec" | field cause)"
said 127 "folder" berth run --on box --cwd /no/such/folder -- true

say "a workspace that is missing, or cannot be read"
said 2 "$here/nowhere" berth run --on box --workspace "$here/nowhere" -- true
echo text >"$here/file"
ends_with 2 berth run --on box --workspace "$here/file" -- true
has "$output" "$here/file"
mkdir "$here/closed"
echo secret >"$here/closed/file"
if [ "$(id -u)" != 0 ]; then
    chmod 000 "$here/closed/file"
    ends_with 16 berth run --on box --workspace "$here/closed" -- true
    has "$output" "cannot read 'file'"
    chmod 600 "$here/closed/file"
fi
refused invalid_request cwd run.realize \
    '{"heartbeatRunId":"none","executionWorkspace":{"source":"task_session","cwd":"not/absolute"}}'

say "a wall that cannot be built"
said 2 "$here/no-such-path" berth run --ro "$here/no-such-path" -- true
#  The path was there when the environment was made, and is not when its place is opened.
mkdir "$here/tool"
berth env create walls --driver sandbox \
    --config '{"provider":"bubblewrap","readOnlyPaths":["'"$here"'/tool"]}' >/dev/null
rmdir "$here/tool"
ends_with 27 berth lease acquire walls
has "$output" "$here/tool"
same failed "$(berth --json lease list --environment-id walls | field state)" "its lease"

say "a client that dies in mid-stream"
exec=$(berth --json exec start "$lease" -- sh -c 'yes | head -c 20000000; echo end' | field id)
"$BERTH_BUILD/berth" exec logs --follow "$exec" 2>/dev/null | head -c 1000 >"$here/some" || true
same 1000 "$(stat -c %s "$here/some")"
"$BERTH_BUILD/berth" exec logs --follow "$exec" >"$here/more" &
reader=$!
await 20 test -s "$here/more"
kill -KILL $reader
wait $reader || true
ends_with 0 berth exec wait "$exec"
same end "$(berth exec logs "$exec" | tail -n 1)"
same 20000004 "$(berth exec logs "$exec" | wc -c)"

say "two services on one state directory"
said 5 "another berthd (pid $service_pid)" "$BERTH_BUILD/berthd" --state "$BERTH_STATE" --runtime "$here/r2"
said 5 "another berthd" "$BERTH_BUILD/berthd" --state "$here/s2" --runtime "$BERTH_STATE/run"
has "$output" "remedy"

say "a command line of berthd that is wrong"
ends_with 2 "$BERTH_BUILD/berthd" --colour
ends_with 2 "$BERTH_BUILD/berthd" --store-max lots
said 2 "absolute" "$BERTH_BUILD/berthd" --state relative
said 2 "too long" "$BERTH_BUILD/berthd" --state "$here/$(printf 'x%.0s' {1..90})"

say "none of it hurt"
same "$first" "$(berth --json bus ping | field instance)" "instance"
same active "$(berth --json lease show "$lease" | field state)"
same 1 "$(berth --json --all lease list --state active | field -a id | wc -l)" "active leases"
service_release
nothing_left

say "a state directory that cannot be written"
mkdir "$here/readonly"
if [ "$(id -u)" = 0 ]; then
    #  Root may write everywhere but on what is mounted read-only.
    said 21 "$here/readonly" unshare --mount sh -c '
        mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" --state "$1" --runtime "$3"' \
        - "$here/readonly" "$BERTH_BUILD/berthd" "$here/r3"
else
    chmod 555 "$here/readonly"
    said 21 "$here/readonly" "$BERTH_BUILD/berthd" --state "$here/readonly" --runtime "$here/r3"
fi
has "$output" "--state" "the remedy"

say "a socket that nobody listens at is no reason to wait, another user's is no nobody"
service_start
if [ "$(id -u)" = 0 ]; then
    cp "$BERTH_BUILD/berth" "$here/berth"
    said 21 "another user" setpriv --reuid 64123 --regid 64123 --clear-groups "$here/berth" bus ping
fi
service_stop
said 3 "start one" timeout 1 "$BERTH_BUILD/berth" bus ping

say "a state directory from a newer version"
/usr/bin/python3 - "$BERTH_STATE/store/data.mdb" <<'END'
import re, struct, sys
with open(sys.argv[1], "r+b") as file:
    data = file.read()
    numbers = b"|".join(re.escape(struct.pack("=Q", number)) for number in range(1, 33))
    places = [found.end() for found in re.finditer(rb"schema\0?(?=" + numbers + b")", data)]
    assert places, "the number of the schema is not where it was"
    for place in places:
        file.seek(place)
        file.write(struct.pack("=Q", 99))
END
said 5 "schema 99" "$BERTH_BUILD/berthd" --state "$BERTH_STATE" --runtime "$BERTH_STATE/run"
has "$output" "newer berthd"
nothing_left

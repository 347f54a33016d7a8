#  lib.sh - what stories share: a folder, a service of its own, assertions, the search for leaks.
#
#      #!/bin/bash
#      #  what the story tells
#      . "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
#      service_start --test-providers
#      id=$(berth --json lease acquire local | field id)
#      service_release
#
#  A story ends at the first command that fails (set -e), at a failed assertion, or well. On the way
#  out the service is stopped; after a good end nothing may be left: no process, no cgroup.

set -eEu -o pipefail
BERTH_SOURCE=${BERTH_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BERTH_BUILD=${BERTH_BUILD:-$BERTH_SOURCE/build-test}
here=$(mktemp -d "${TMPDIR:-/tmp}/s.XXXX")      #  Short: sockets live below
chmod 711 "$here"                               #  A place's own user comes by
export BERTH_STATE=$here/state
unset BERTH_COMPANY XDG_RUNTIME_DIR XDG_STATE_HOME
service_pid='' service_id='' service_install=''
service_log=$here/berthd.log

berth ()
{
    "$BERTH_BUILD/berth" "$@"
}

#  ---- assertions: each says what was expected and what came, and where

story_fail ()   #  what
{
    echo "FAILED: $*" >&2
    local frame=0
    while caller $frame >&2; do
        frame=$((frame + 1))
    done
    exit 1
}

say ()          #  a step, for the log
{
    printf -- '-- %s\n' "$*"
}

same ()         #  expected actual [what]
{
    [ "$1" = "$2" ] || story_fail "${3:-value}: expected '$1', got '$2'"
}

has ()          #  text pattern [what]: a glob somewhere in the text
{
    # shellcheck disable=SC2053
    [[ $1 == *$2* ]] || story_fail "${3:-text}: no '$2' in '$1'"
}

lacks ()        #  text pattern [what]
{
    # shellcheck disable=SC2053
    [[ $1 != *$2* ]] || story_fail "${3:-text}: '$2' in '$1'"
}

#  Runs a command that must end with this status; its stdout and stderr are in $output.
ends_with ()    #  status command...
{
    local expected=$1 status=0
    shift
    output=$("$@" 2>&1) || status=$?
    [ "$status" = "$expected" ] || story_fail "'$*' ended with $status, not $expected: $output"
}

#  Asks until the command succeeds. For what has no event to wait for.
within ()       #  seconds command...: status 1 if it did not
{
    local until=$((SECONDS + $1)) ticks status=0
    shift
    exec {ticks}<> <(:)
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -gt $until ]; then
            status=1
            break
        fi
        read -r -t 0.02 -u "$ticks" || true     #  Nobody writes there: a pause between questions
    done
    exec {ticks}<&-
    return $status
}

await ()        #  seconds command...: the story fails if it did not
{
    within "$@" || story_fail "this never came true in $1 s: ${*:2}"
}

gone ()         #  pid: has the process ended?
{
    ! kill -0 "$1" 2>/dev/null
}

#  One value out of the JSON at stdin: field items.0.id. A text comes bare, null and what is not
#  there as nothing, all else as JSON. Of several lines the last is taken, or all: field -a id.
field ()        #  [-a] path
{
    /usr/bin/python3 -c '
import json, sys
every = sys.argv[1] == "-a"
path = sys.argv[-1]
text = sys.stdin.read()
try:
    values = [json.loads(text)]
except ValueError:
    values = [json.loads(line) for line in text.splitlines() if line.strip()]
for value in values if every else values[-1:]:
    for step in path.split(".") if path else []:
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError):
            value = None
    if value is not None:
        print(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
' "$@"
}

#  ---- the service

#  Starts berthd on $BERTH_STATE and waits until it answers.
service_start ()    #  [option of berthd]...
{
    mkdir -p -m 711 "$BERTH_STATE"
    "$BERTH_BUILD/berthd" --state "$BERTH_STATE" --runtime "$BERTH_STATE/run" --local-root "$@" \
        >>"$service_log" 2>&1 </dev/null &
    service_pid=$!
    await 30 service_answers
    gone $service_pid && story_fail "berthd ended at its start"
    service_id=$(berth bus ping | grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' | head -n 1)
    [ "$service_id" ] || story_fail "berth bus ping names no instance"
    service_install=$(berth bus ping | sed -n 's/^install *//p')
}

service_answers ()
{
    gone "$service_pid" || berth bus ping
}

#  Waits for the end of berthd, at most ten seconds as promised and a little for a busy machine.
service_ended ()    #  expected status
{
    local status=0
    await 12 gone_or_zombie "$service_pid"
    wait "$service_pid" || status=$?
    service_pid=''
    same "$1" "$status" "exit status of berthd"
}

gone_or_zombie ()
{
    gone "$1" || [[ $(ps -o stat= -p "$1") = Z* ]]
}

service_stop ()     #  SIGTERM: leaves places and execs alone
{
    kill -TERM "$service_pid"
    service_ended 0
}

service_kill ()     #  kill -9
{
    kill -KILL "$service_pid"
    service_ended 137
}

service_release ()  #  closes every place, then stops
{
    berth bus shutdown --release >/dev/null
    service_ended 0
}

#  ---- leaks

#  What this story started and what still runs: everything below the process that watches us.
story_processes ()
{
    ps -eo pid=,ppid=,stat=,comm=,args= | awk -v top=$PPID -v self=$$ '
        { parent [$1] = $2; line [$1] = $0; if ($3 ~ /^Z/) dead [$1] = 1 }
        END {
            for (pid in parent) {
                if (pid == self || dead [pid] || line [pid] !~ /berth|bwrap/)
                    continue
                for (up = parent [pid]; up in parent && up != self && up != top; up = parent [up])
                    ;
                if ((up == top || up == self) && line [pid] !~ / (awk|ps) /)
                    print line [pid]
            }
        }' | grep -vE "bash .*/stories/|/tests/watch " || true
}

#  Their last characters name an install's cgroups: the first are time.
story_cgroups ()
{
    [ -z "$service_install" ] || find /sys/fs/cgroup -depth -type d -path "*/berth-*" 2>/dev/null \
        | grep -E "/berth-${service_install: -8}(/|\$)" || true
}

clean ()
{
    [ -z "$(story_processes)$(story_cgroups)" ]
}

nothing_left ()     #  [seconds it may take]
{
    within "${1:-5}" clean || story_fail "left behind:" $'\n'"$(story_processes)" $'\n'"$(story_cgroups)"
}

story_end ()
{
    local status=$?
    trap - EXIT ERR
    set +e
    if [ "$service_pid" ] && ! gone "$service_pid"; then
        kill -TERM "$service_pid"
        within 12 gone_or_zombie "$service_pid"
        kill -KILL "$service_pid" 2>/dev/null
        wait "$service_pid" 2>/dev/null
    fi
    if [ $status = 0 ]; then
        (nothing_left) || status=1
    fi
    if [ $status != 0 ] && [ $status != 77 ]; then
        [ ! -s "$service_log" ] || { echo "-- the end of berthd's log"; tail -n 40 "$service_log"; }
        story_cgroups | while read -r folder; do
            { echo 1 >"$folder/cgroup.kill"; } 2>/dev/null
            rmdir "$folder" 2>/dev/null
        done
    fi
    rm -rf "$here"
    exit $status
}
trap story_end EXIT
trap 'echo "FAILED: line $LINENO: $BASH_COMMAND" >&2' ERR

#  Ends the story as one that cannot be told here; tests/skips must expect it.
story_skip ()   #  reason
{
    echo "SKIP: $*"
    exit 77
}

#!/bin/bash
#  quickstart.sh - a newcomer's first command, in a clean copy of this tree: it works, says what it
#  does, and leaves nothing; a second start reuses the build; Ctrl-C in the middle leaves nothing.
#
#  slow
#  serial
#  timeout: 900
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
unset BERTH_STATE
mkdir "$here/tree" "$here/tmp"
chmod 711 "$here/tmp"
tar -C "$BERTH_SOURCE" --exclude='./build*' --exclude=./.git -cf - . | tar -C "$here/tree" -xf -

#  Runs it, as the leader of a group of its own, and keeps what it says in $here/said. While it
#  compiles the service is asked for its id; with `stop` it then gets what Ctrl-C sends.
quickstart ()   #  expected status, [stop]
{
    local line status=0 asked='' job
    #  What runs behind a script ignores SIGINT, and no trap of a shell undoes that.
    TMPDIR=$here/tmp env --default-signal=INT setsid "$here/tree/tools/quickstart" </dev/null >"$here/words" 2>&1 &
    job=$!
    while read -r line; do
        printf '%s\n' "$line"
        if [ -z "$asked" ] && [[ $line = "|"*"Building C object"* ]]; then
            asked=1
            service_id=$(BERTH_STATE=$(echo "$here"/tmp/berth-*/state) berth --json bus ping | field install)
            [ "${2:-}" != stop ] || kill -INT -- "-$job"
        fi
    done <"$here/words" >"$here/said"
    wait $job || status=$?
    [ "$status" = "$1" ] || { cat "$here/said"; story_fail "it ended with $status"; }
    same 1 "$asked" "it came to compiling"
    same '' "$(ls -A "$here/tmp")" "folders that are left"
    same '' "$(grep -laE 'berth-quickstart[.]' /proc/[0-9]*/cmdline 2>/dev/null || true)" "processes that are left"
    same '' "$(story_cgroups)" "cgroups that are left"
}
mkfifo "$here/words"

say "the first start"
quickstart 0
text=$(cat "$here/said")
has "$text" "1 of 6: packages"
has "$text" "6 of 6: what happened"
has "$text" "inside: user 1000"
has "$text" "network lo"
has "$text" "Linking C executable berthd"
has "$text" "berth $("$BERTH_BUILD/berth" --version | cut -d' ' -f2)"
for action in environment.lease_acquired workspace.realized exec.started exec.ended \
    workspace.returned environment.lease_released; do
    has "$text" "$action"
done
has "$text" "Go on by hand"

say "the second start reuses the build, and Ctrl-C while the job runs leaves nothing"
built=$(stat -c %Y "$here/tree/build/berthd")
quickstart 130 stop
same "$built" "$(stat -c %Y "$here/tree/build/berthd")" "time of build/berthd"
text=$(cat "$here/said")
has "$text" "no work to do"
lacks "$text" "6 of 6"
lacks "$text" "Go on by hand"

say "a sentence about what is missing"
ends_with 2 "$here/tree/tools/quickstart" --fast

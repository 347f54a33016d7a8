#!/bin/bash
#  company.sh - a company goes with all that it had: leases, places, output, secrets, keys; its neighbour
#  keeps everything, and a crash in the middle changes nothing of that.
#
#  timeout: 180
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

fill ()         #  company: with something of everything
{
    export BERTH_COMPANY=$1
    berth env create box --driver sandbox --config '{"provider":"bubblewrap","reuseLease":true}' >/dev/null
    berth workspace create w --project-id p >/dev/null
    local lease exec
    lease=$(berth --quiet lease acquire box --heartbeat-run-id "$1-1")
    exec=$(berth --quiet exec start "$lease" -- echo hello)
    ends_with 0 berth exec wait "$exec"
    berth lease release "$lease" >/dev/null         #  Its place is kept
    lease=$(berth --quiet lease acquire box --heartbeat-run-id "$1-2" --agent-id a)
    berth exec start "$lease" -- tail -f /dev/null >/dev/null
    berth run --on box --run "$1-3" --no-workspace -- true
    unset BERTH_COMPANY
}

count ()        #  company noun
{
    berth --company "$1" --quiet "$2" list --all | wc -l
}

service_start
fill acme
fill acm
berth key new both --companies acme --companies acm --file "$here/both" >/dev/null
berth key new only --companies acme --file "$here/only" >/dev/null
places=$(ls "$BERTH_STATE/places" | wc -l)
spools=$(ls "$BERTH_STATE/spool" | wc -l)

say "it has to be meant"
ends_with 2 berth company delete acme
has "$output" "--yes"
same 1 "$(count acme env)"

say "it goes, over a crash, and nothing new is made of it meanwhile"
berth --json company delete acme --yes --no-wait >"$here/row"
same acme "$(field id <"$here/row")"
service_kill
service_start
row=$(berth --json company delete acme --yes)
same '' "$(field part <<<"$row")"
for noun in env lease exec workspace; do
    same 0 "$(count acme $noun)" "$noun of acme"
    [ "$(count acm $noun)" -gt 0 ] || story_fail "$noun of acm is gone"
done
same $((places / 2)) "$(ls "$BERTH_STATE/places" | wc -l)" "places"
same $((spools / 2)) "$(ls "$BERTH_STATE/spool" | wc -l)" "spools"
keys=$(berth --json key list)
has "$keys" '"acm"'
lacks "$keys" '"acme"],"workspaceRoots":[],"revokedAt":null'
has "$(berth --company acme events)" company.deleted
berth --company acme events verify >/dev/null
ends_with 0 berth store check

say "the same name is a company like any other"
fill acme
[ "$(count acme lease)" -gt 0 ] || story_fail "no lease"
service_release

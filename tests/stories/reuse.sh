#!/bin/bash
#  reuse.sh - a place serves one run after another: the same agent finds its files, nobody else does,
#  and a place that fits no more is destroyed.
#
#  timeout: 120
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

acquire ()      #  run agent: a lease
{
    berth --json lease acquire box --heartbeat-run-id "$1" --agent-id "$2"
}

#  What a lease's home holds, by an exec in it.
home ()         #  lease
{
    local exec
    exec=$(berth --json exec start "$1" -- sh -c 'cat ~/left 2>/dev/null || echo nothing' | field id)
    berth exec wait "$exec" >/dev/null
    berth exec logs "$exec"
}

places ()
{
    ls -A "$BERTH_STATE/places" | wc -l
}

service_start
berth env create box --driver sandbox --config '{"provider":"bubblewrap","reuseLease":true}' >/dev/null

say "the first run leaves a file, and a process"
row=$(acquire r1 a1)
first=$(field id <<<"$row")
place=$(field providerLeaseId <<<"$row")
same reuse_by_environment "$(field leasePolicy <<<"$row")"
exec=$(berth --json exec start "$first" -- sh -c 'echo mine >~/left' | field id)
ends_with 0 berth exec wait "$exec"
background=$(berth --json exec start "$first" -- tail -f /dev/null | field id)
await 20 eval '[ "$(berth --json exec show "$background" | field state)" = running ]'
old=$(field generation <<<"$row")
berth lease release "$first" >/dev/null
same kept "$(berth --json lease show "$first" | field placeState)"
same lease_lost "$(berth --json exec show "$background" | field cause)"
lacks "$(story_processes)" berth-init "processes after the release"

say "another agent gets a place of its own"
other=$(acquire r2 a2)
[ "$(field providerLeaseId <<<"$other")" != "$place" ] || story_fail "two agents share a place"
same nothing "$(home "$(field id <<<"$other")")"
same 2 "$(places)" "places"

say "and so does one without a run"
adhoc=$(berth --json lease acquire box --agent-id a1)
[ "$(field providerLeaseId <<<"$adhoc")" != "$place" ] || story_fail "an ad hoc lease reuses"
berth lease release "$(field id <<<"$adhoc")" >/dev/null
same 2 "$(places)" "places"

say "the next run of the first finds its file, also after a restart"
service_kill
service_start
row=$(acquire r3 a1)
second=$(field id <<<"$row")
same "$place" "$(field providerLeaseId <<<"$row")"
same "$first" "$(field reusedLeaseId <<<"$row")"
same mine "$(home "$second")"
[ "$(field generation <<<"$row")" -gt "$old" ] || story_fail "the generation is the same"
same released "$(berth --json lease show "$first" | field state)"

say "whoever held it before is shut out"
ends_with 5 berth exec start "$first" -- true
ends_with 22 berth exec start "$second" --generation "$old" -- true

say "two at once never get the same place"
third=$(acquire r4 a1)
[ "$(field providerLeaseId <<<"$third")" != "$place" ] || story_fail "two leases share a place"
berth lease release "$second" >/dev/null
berth lease release "$(field id <<<"$third")" >/dev/null

say "a place that was lost is replaced"
gone=$(ls "$BERTH_STATE/places" | grep -v "$(field id <<<"$other")")
for id in $gone; do
    rm -rf "${BERTH_STATE:?}/places/$id"
done
row=$(acquire r5 a1)
same active "$(field state <<<"$row")"
same nothing "$(home "$(field id <<<"$row")")"
berth lease release "$(field id <<<"$row")" >/dev/null

say "and one that fits no more is destroyed"
berth env update box --config '{"pids":200}' >/dev/null
place=$(field providerLeaseId <<<"$row")
row=$(acquire r6 a1)
[ "$(field providerLeaseId <<<"$row")" != "$place" ] || story_fail "the old config's place is used"
await 20 test ! -e "$BERTH_STATE/places/${place#*:}"
berth lease release "$(field id <<<"$row")" >/dev/null
berth lease release "$(field id <<<"$other")" >/dev/null

say "a shutdown with --release leaves nothing"
service_release
nothing_left
same '' "$(ls -A "$BERTH_STATE/places")" "places"

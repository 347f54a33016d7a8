#!/bin/bash
#  sweep.sh - places that no lease wants are found and destroyed, with their processes; a list that
#  lies, or cannot be read, costs nobody a place.
#
#  timeout: 240
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

lists ()        #  how: the provider that fails lists its places so from now on
{
    local rules=''
    [ "$1" = well ] || rules="{\"verb\":\"list\",\"do\":\"$1\"}"
    berth provider probe fault --config "{\"faults\":[$rules]}" >/dev/null
}

sweep ()        #  provider [option]...
{
    berth --json provider sweep "$@"
}

runs_in ()      #  lease: does a command end well there?
{
    local exec
    exec=$(berth --json exec start "$1" -- true | field id) && berth exec attach "$exec"
}

nap=$((100000 + $$))            #  Seconds that nobody else sleeps
naps ()         #  does the command of a lost place run?
{
    ps -eo args= | grep -qx "sleep $nap"
}

#  Copies taken of the store make its leases unknown: a store from before they were there is put back.
#  provider: a lease with a place, then the store as it was before it
lose_a_row ()
{
    lost=$(berth --quiet lease acquire "$1")
    exec=$(berth --quiet exec start "$lost" -- sleep $nap)
    await 10 eval '[ "$(berth --json exec show "$exec" | field state)" = running ]'
    service_kill
    cp "$here/before" "$BERTH_STATE/store/data.mdb"
    service_start --test-providers --config "$here/conf"
    ends_with 4 berth lease show "$lost"
    [ -d "$BERTH_STATE/places/$lost" ] || story_fail "the place of $lost is not there"
    naps || story_fail "what runs in the place of $lost died with berthd"
}

printf 'sweep\n    every = 3600\n    age = 1\n' >"$here/conf"
service_start --test-providers --config "$here/conf"
berth env create box --driver sandbox --config '{"provider":"bubblewrap"}' >/dev/null
berth env create odd --driver sandbox --config '{"provider":"fault"}' >/dev/null
kept=$(berth --quiet lease acquire odd)
boxed=$(berth --quiet lease acquire box)
service_stop
cp "$BERTH_STATE/store/data.mdb" "$here/before"
service_start --test-providers --config "$here/conf"

say "a place with a living shim and no row, behind walls: seen twice and old enough, it goes"
lose_a_row box
same 1 "$(sweep bubblewrap | field suspects)"
[ -d "$BERTH_STATE/places/$lost" ] || story_fail "it went at first sight"
same 0 "$(sweep bubblewrap | field acted)" "acted upon before it was old enough"
await 10 eval '[ "$(sweep bubblewrap | field acted)" = 1 ]'
await 10 eval '[ ! -e "$BERTH_STATE/places/$lost" ]'
await 10 eval '! naps'
has "$(berth events --entity "$lost")" environment.orphan_destroyed
same 0 "$(sweep bubblewrap | field suspects)"
ends_with 0 runs_in "$boxed"

say "an operator who does not want to wait"
lose_a_row odd
sweep fault >/dev/null
ends_with 1 berth doctor
has "$output" "place fault:$lost is orphan"
has "$output" 'berth provider sweep fault --now'
ends_with 0 berth doctor --fix --yes
has "$output" 'mended: its places were looked at, 1 were acted upon'
await 10 eval '[ ! -e "$BERTH_STATE/places/$lost" ]'

say "half a list, an empty one, one of another install's places: a lease's place is asked for by name before it is given up"
for how in lie half foreign; do
    lists $how
    sweep fault --now >/dev/null
    same 1 "$(sweep fault --now | field acted)"
    await 10 eval 'sweep fault | grep -q "\"suspects\":[01]"'
    same active "$(berth --json lease show "$kept" | field state)"
    ends_with 0 runs_in "$kept"
    lists well
    sweep fault >/dev/null
done

say "garbage, and no list at all: unknown, and told"
lists garbage
ends_with 27 berth provider sweep fault --now
has "$output" 'not to be believed'
lists fail
for _ in 1 2 3; do
    ends_with 27 berth provider sweep fault --now
done
ends_with 0 runs_in "$kept"
ends_with 1 berth doctor
has "$output" 'sweep fault is unreadable'
has "$output" 'list failed, as it was told to'
lists well
ends_with 0 berth doctor --fix --yes
same 0 "$(sweep fault | field failures)"

say "a list that names another lease for a place that is held: it is held all the same"
lists other
for _ in 1 2 3; do
    same 0 "$(sweep fault --now | field suspects)"
done
ends_with 0 runs_in "$kept"
lists well

say "an active lease whose place is gone: it ends, and says why"
mv "$BERTH_STATE/places/$kept" "$here/away"
sweep fault >/dev/null
same 1 "$(sweep fault --now | field acted)"
await 10 eval '[ "$(berth --json lease show "$kept" | field state)" = failed ]'
has "$(berth --json lease show "$kept" | field failureReason)" 'no longer has its place'
mv "$here/away" "$BERTH_STATE/places/$kept"
sweep fault >/dev/null
same 1 "$(sweep fault --now | field acted)"
await 10 eval '[ ! -e "$BERTH_STATE/places/$kept" ]'

say "a service from a backup: what the one before it made since is told of, and left to its operator"
ends_with 0 berth store backup "$here/copy"
later=$(berth --quiet lease acquire odd)
first=$(berth bus ping | sed -n 's/^install *//p')
service_stop
mv "$BERTH_STATE/store" "$here/first-store"
rm -f "$BERTH_STATE/epoch"
ends_with 0 "$BERTH_BUILD/berthd" --state "$BERTH_STATE" --restore "$here/copy"
service_start --test-providers --config "$here/conf"
[ "$(berth bus ping | sed -n 's/^install *//p')" != "$first" ] || story_fail "it has the same install id"
ends_with 0 runs_in "$boxed"
for _ in 1 2 3; do
    same 0 "$(sweep fault --now | field acted)"
done
ends_with 1 berth doctor
has "$output" "place fault:$later is former"
has "$output" 'berth provider sweep fault --now --former'
ends_with 1 berth doctor --fix --yes
[ -d "$BERTH_STATE/places/$later" ] || story_fail "the place of another install was destroyed"
same 1 "$(sweep fault --now --former | field acted)"
await 10 eval '[ ! -e "$BERTH_STATE/places/$later" ]'

say "by itself, too"
service_stop
printf 'sweep\n    every = 1\n    age = 1\n' >"$here/conf"
cp "$BERTH_STATE/store/data.mdb" "$here/before"
service_start --test-providers --config "$here/conf"
lose_a_row odd
await 20 eval '[ ! -e "$BERTH_STATE/places/$lost" ] && ! naps'
has "$(berth events --entity "$lost")" environment.orphan_destroyed
ends_with 0 berth lease release "$boxed"
service_release

#!/bin/bash
#  adopt.sh - places that are there already: taken up again, replaced when they were lost, destroyed,
#  adopted; and whoever holds an old generation is shut out.
#
#  timeout: 120
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

acquire ()      #  environment: a lease
{
    berth --quiet lease acquire "$1"
}

shown ()        #  lease field
{
    berth --json lease show "$1" | field "$2"
}

runs_in ()      #  lease: does a command end well there?
{
    local exec
    exec=$(berth --quiet exec start "$1" -- true) && ends_with 0 berth exec wait "$exec"
}

#  The shim of a lease's place ends, and with it all that runs there.
lose ()         #  lease
{
    kill -9 "$(/usr/bin/python3 -c 'import msgpack, sys
print(msgpack.unpack(open(sys.argv[1], "rb"))["pid"])' "$BERTH_STATE/places/$1/shim.msgpack")"
}

service_start --test-providers
berth env create box --driver sandbox --config '{"provider":"bubblewrap"}' >/dev/null
berth env create odd --driver sandbox \
    --config '{"provider":"fault","faults":[{"verb":"release","do":"lie"}]}' >/dev/null

say "a place that is there is taken up again, and what runs in it goes on"
lease=$(acquire box)
old=$(shown "$lease" generation)
exec=$(berth --quiet exec start "$lease" --stdin -- cat)
await 20 eval '[ "$(berth --json exec show "$exec" | field state)" = running ]'
row=$(berth --json lease resume "$lease")
same "$old" "$(field generation <<<"$row")"
same true "$(field metadata.resumedLease <<<"$row")"
same running "$(berth --json exec show "$exec" | field state)"

say "one that was lost is replaced, and its handles are worth nothing"
lose "$lease"
await 20 eval '[ "$(berth --json exec show "$exec" | field state)" = ended ]'
row=$(berth --json lease resume "$lease")
same active "$(field state <<<"$row")"
[ "$(field generation <<<"$row")" -gt "$old" ] || story_fail "the generation is the same"
runs_in "$lease"
ends_with 22 berth exec start "$lease" --generation "$old" -- true
ends_with 22 berth exec signal "$exec" TERM
ends_with 22 berth lease release "$lease" --generation "$old"
has "$(berth events --entity "$lease")" environment.lease_place_lost

say "destroyed, nothing of it is left"
row=$(berth --json lease destroy "$lease")
same failed "$(field state <<<"$row")"
same 'it was destroyed' "$(field failureReason <<<"$row")"
[ ! -e "$BERTH_STATE/places/$lease" ] || story_fail "its place is there"

say "a place that nobody has is adopted, once"
gone=$(acquire odd)
place=$(shown "$gone" providerLeaseId)
ends_with 5 berth lease adopt odd "$place"          #  It is held
berth lease release "$gone" >/dev/null
[ -d "$BERTH_STATE/places/$gone" ] || story_fail "its provider did not lie"
lease=$(berth --quiet lease adopt odd "$place")
same active "$(shown "$lease" state)"
same "$place" "$(shown "$lease" providerLeaseId)"
runs_in "$lease"
ends_with 5 berth lease adopt odd "$place"
ends_with 4 berth lease adopt odd fault:00000000-0000-7000-8000-000000000000
has "$(berth events --entity "$lease" --json)" '"adopted":true'

say "what is adopted outlives a restart, and is destroyed like any other"
service_kill
service_start --test-providers
runs_in "$lease"
berth lease destroy "$lease" >/dev/null
[ ! -e "$BERTH_STATE/places/$gone" ] || story_fail "the adopted place is there"
service_release

#!/bin/bash
#  sim.sh - some seasons of the simulated service hold, the same seed is the same season, and each
#  fault of the promises that can show there is found.
#
#  timeout: 240
#  slow
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
export BERTH_BUILD
sim=$BERTH_SOURCE/tests/sim/run

say "seasons of seeds 1 and those behind it"
"$sim" --seed 1 --steps 30000

fresh=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
say "seasons of seed $fresh and those behind it"
"$sim" --seed "$fresh" --steps 1e9 --seconds 8

say "the same seed is the same season"
same "$("$sim" --seed 5 --steps 4000 | grep digest)" "$("$sim" --seed 5 --steps 4000 | grep digest)"

found ()        #  fault what must be said of it
{
    local said
    say "it finds $1"
    if said=$(BERTH_PLANT=$1 "$sim" --steps 200000 --no-shrink 2>&1); then
        story_fail "the simulation stays green with $1"
    fi
    has "$said" "$2"
    has "$said" "again: tests/sim/run --seed"
}
found reply-before-commit 'promise '
found two-holders 'promise 2'
found place-shared 'promise 2'
found place-before-row 'promise 3'
found work-forgotten 'nothing will change it'
found lease-forgotten 'nothing will change it'
found no-entry 'promise 4'
found entry-twice 'promise 4'
found entry-skipped 'promise 4'
found retry-again 'promise 10'
found stale-holder 'promise 11'
found early-expiry 'promise 12'

say "what it finds it shows with fewer steps"
said=$(BERTH_PLANT=two-holders "$sim" --steps 200000 2>&1) && story_fail "it stays green"
has "$said" "least: "
again=$(sed -n 's|^again: tests/sim/run ||p' <<<"$said")
# shellcheck disable=SC2086
said=$(BERTH_PLANT=two-holders "$sim" $again 2>&1) && story_fail "it cannot be shown again: $again"
has "$said" "BROKEN: promise 2"

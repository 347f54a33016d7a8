#!/bin/bash
#  faults.sh - a provider that is slow, fails, hangs, loses places or lies: others keep their pace,
#  leases settle or say why they do not, and nothing is left over.
#
#  timeout: 240
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

env_with ()     #  name rule
{
    berth --json env create "$1" --driver sandbox \
        --config "{\"provider\":\"fault\",\"faults\":[$2]}" | field id
}

state_of ()     #  lease
{
    berth --json lease show "$1" | field state
}

last_lease ()   #  environment
{
    berth --json lease list --environment-id "$1" --limit 1 | field id
}

place_of ()     #  lease
{
    [ ! -e "$BERTH_STATE/places/$1" ] || echo "$1"
}

runs_in ()      #  lease: does a command end well there?
{
    local exec
    exec=$(berth --json exec start "$1" -- true | field id) && berth exec attach "$exec"
}

in_time ()      #  a lease of another provider, and one of the same that is well, within a second
{
    local begun=${EPOCHREALTIME/[.,]/} lease
    for name in host well; do
        lease=$(berth --json lease acquire "$name" | field id)
        ends_with 0 berth lease release "$lease"
    done
    local took=$(((${EPOCHREALTIME/[.,]/} - begun) / 1000))
    [ $took -lt 4000 ] || story_fail "others waited: $took ms"
}

service_start --test-providers
berth env create host --driver local >/dev/null
well=$(env_with well '')

say "acquire fails: the lease says why, and nothing is open"
fails=$(env_with fails '{"verb":"acquire","do":"fail"}')
ends_with 27 berth lease acquire fails
lease=$(last_lease "$fails")
same failed "$(state_of "$lease")"
has "$(berth --json lease show "$lease" | field failureReason)" 'acquire failed'
same '' "$(place_of "$lease")"
in_time

say "acquire is slow: only its own client waits"
env_with slow '{"verb":"acquire","do":"slow","ms":2000}' >/dev/null
berth --json lease acquire slow >"$here/slow" &
slow=$!
in_time
wait $slow
lease=$(field id <"$here/slow")
same active "$(state_of "$lease")"
ends_with 0 berth lease release "$lease"

say "acquire hangs: its client is told at its deadline, with the lease that is being closed"
hangs=$(env_with hangs '{"verb":"acquire","do":"hang"}')
for _ in 1 2 3 4; do
    ends_with 7 berth lease acquire hangs --deadline 500ms
done
same releasing "$(state_of "$(last_lease "$hangs")")"
in_time

say "acquire lies: the place that it names is not there"
env_with lies '{"verb":"acquire","do":"lie"}' >/dev/null
lease=$(berth --json lease acquire lies | field id)
! output=$(runs_in "$lease" 2>&1) || story_fail "an exec ran in a place that is not there"
ends_with 0 berth lease release "$lease"
same released "$(state_of "$lease")"

say "acquire loses the place: no exec pretends to run"
env_with loses '{"verb":"acquire","do":"lose"}' >/dev/null
lease=$(berth --json lease acquire loses | field id)
! output=$(runs_in "$lease" 2>&1) || story_fail "an exec ran in a place that was lost"
berth lease release "$lease" >/dev/null 2>&1 || true
await 10 eval '[[ "$(state_of "$lease")" =~ ^(released|failed)$ ]]'
same '' "$(place_of "$lease")"

say "release fails twice: the client is told, and the service goes on"
env_with sticks '{"verb":"release","do":"fail","times":2}' >/dev/null
lease=$(berth --json lease acquire sticks | field id)
ends_with 19 berth lease release "$lease"
same cleanup "$(state_of "$lease")"
same pending_cleanup "$(berth --json lease show "$lease" | field status)"
has "$(berth --json lease show "$lease" | field failureReason)" 'release failed'
in_time
await 20 eval '[ "$(state_of "$lease")" = released ]'
same '' "$(place_of "$lease")"

say "release hangs: others keep their pace"
env_with tight '{"verb":"release","do":"hang","ms":3000,"times":1}' >/dev/null
tight=$(berth --json lease acquire tight | field id)
ends_with 7 berth lease release "$tight" --deadline 500ms
same releasing "$(state_of "$tight")"
in_time

say "an operator gives a place up: the lease is settled at once, and that is recorded"
env_with gives-up '{"verb":"release","do":"hang","ms":3000,"times":1}' >/dev/null
given=$(berth --json lease acquire gives-up | field id)
ends_with 7 berth lease release "$given" --deadline 500ms
same releasing "$(state_of "$given")"
ends_with 0 berth lease release "$given" --abandon
same released "$(state_of "$given")"
has "$(berth --json lease show "$given")" '"abandonedAt":'
has "$(berth events --entity "$given")" environment.lease_abandoned
await 10 eval '[ -z "$(place_of "$given")" ]'

say "an environment in use is not deleted, unless forced: its leases close by their own rows"
env_with busy '{"verb":"release","do":"fail","times":1}' >/dev/null
held=$(berth --json lease acquire busy | field id)
ends_with 5 berth env delete busy
has "$output" "$held (active)"
ends_with 0 berth env delete busy --force
ends_with 10 berth env show busy
await 20 eval '[ "$(state_of "$held")" = released ]'
same '' "$(place_of "$held")"

say "realize fails, lies, loses: the run says so, and its place is closed"
mkdir "$here/work"
echo text >"$here/work/file"
for how in fail lose; do
    env_with "realize-$how" "{\"verb\":\"realize\",\"do\":\"$how\"}" >/dev/null
    ! output=$(berth run --on "realize-$how" --workspace "$here/work" -- cat file 2>&1) \
        || story_fail "a run whose realization does '$how' ended well: $output"
done

say "after a restart: what was hanging is closed, what was lost is given back"
env_with resumes '{"verb":"resume","do":"fail"}' >/dev/null
unknown=$(berth --json lease acquire resumes | field id)
kept=$(berth --json lease acquire well | field id)
service_kill
service_start --test-providers
await 20 eval '[ "$(state_of "$tight")" = released ]'
await 20 eval '[ "$(state_of "$(last_lease "$hangs")")" = failed ]'
same active "$(state_of "$unknown")"
same active "$(state_of "$kept")"
ends_with 0 berth lease release "$unknown"
ends_with 0 berth lease release "$kept"

say "nothing is left"
same '' "$(berth --json lease list --limit 1000 | field -a state \
    | grep -vxE 'released|failed|expired' || true)" "leases that are not settled"
same '' "$(ls -A "$BERTH_STATE/places")" "places"
service_stop

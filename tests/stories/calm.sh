#!/bin/bash
#  calm.sh - an operator who wants quiet: nothing new is leased, what runs goes on, and it stays so.
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

runs_in ()      #  lease: does a command end well there?
{
    local exec
    exec=$(berth --json exec start "$1" -- true | field id) && berth exec attach "$exec"
}

env_with ()     #  name rule...
{
    berth env create "$1" --driver sandbox --config "{\"provider\":\"fault\",\"faults\":[${2:-}]}" \
        >/dev/null
}

service_start --test-providers
berth env create box --driver sandbox --config '{"provider":"fault"}' >/dev/null
berth env create host --driver local >/dev/null
held=$(berth --json lease acquire box | field id)

say "drained: nothing new, and it says why and what ends it"
ends_with 0 berth bus drain --reason 'new disks'
ends_with 26 berth lease acquire box
has "$output" 'new disks'
has "$output" 'berth bus undrain'
ends_with 15 berth run --on host -- true      #  Paperclip's code, the reason in the sentence
has "$output" 'the service is drained'
has "$(berth status || true)" 'DRAINED'
has "$(berth --json bus info)" '"drainedReason":"new disks"'

say "what runs goes on, and the next service is drained too"
ends_with 0 runs_in "$held"
service_kill
service_start --test-providers
ends_with 0 runs_in "$held"
ends_with 0 berth lease renew "$held"
ends_with 26 berth lease acquire box
ends_with 0 berth bus undrain
next=$(berth --json lease acquire box | field id)
ends_with 0 berth lease release "$next"
ends_with 0 berth lease release "$held"

say "one provider paused: the others are not"
ends_with 0 berth provider pause fault --reason upgrade
ends_with 26 berth lease acquire box
has "$output" 'upgrade'
has "$(berth provider list | grep '^fault')" paused
has "$(berth status || true)" 'paused'
ends_with 0 berth run --on host -- true
ends_with 0 berth provider unpause fault
next=$(berth --json lease acquire box | field id)
ends_with 0 berth lease release "$next"
has "$(berth --company '~service' events)" 'provider.unpaused'

say "a provider that fails again and again is left alone, and that is told at once, and once"
env_with broken '{"verb":"acquire","do":"fail","times":1}'
env_with well
for _ in 1 2 3 4 5; do
    ends_with 27 berth lease acquire broken
done
for _ in 1 2 3; do
    ends_with 26 berth lease acquire broken
    has "$output" 'left alone for this environment: 5 acquires in a row failed with provider_error'
    has "$output" 'try again in'
done
next=$(berth --json lease acquire well | field id)      #  It is that environment's own fault
ends_with 0 berth lease release "$next"
same 1 "$(berth --json --company '~service' events --action provider.breaker_opened | wc -l)"
has "$(berth status || true)" 'NOT WELL'

say "a doctor: what is stuck, why, and what mends it; --fix does it"
ends_with 1 berth doctor
has "$output" 'provider breaker:fault:'
has "$output" 'berth provider probe fault'
env_with sticks '{"verb":"release","do":"fail","times":1}'
stuck=$(berth --json lease acquire sticks | field id)
ends_with 0 berth bus drain --reason 'new disks'
ends_with 1 berth doctor
has "$output" 'bus bus is drained'
has "$output" 'berth bus undrain'
ends_with 19 berth lease release "$stuck"
ends_with 2 berth doctor --fix                  #  Nobody can be asked
has "$output" '--yes'
ends_with 1 berth doctor --fix --yes
has "$output" 'left as it is: somebody wants it so'
await 20 eval '[ "$(berth --json lease show "$stuck" | field state)" = released ]'
lacks "$(berth doctor || true)" "$stuck"
same drained "$(berth --json doctor | grep '"kind":"bus"' | field state)"
ends_with 0 berth bus undrain
service_stop

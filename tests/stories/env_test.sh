#!/bin/bash
#  env_test.sh - an environment is tested before work goes there: what passes, what fails and why,
#  what is held for a while, and that nothing stays behind.
#
#  timeout: 180
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
service_start --test-providers

tested ()       #  status option... : runs `berth env test`; its JSON is in $output
{
    ends_with "$1" berth --json env test "${@:2}"
}

leases ()       #  how many in a state
{
    berth --json --all lease list --state "$1" | field -a id | wc -l
}

berth env create box --driver sandbox --config '{"provider":"bubblewrap"}' >/dev/null

say "commands that pass, in a place of their own"
tested 0 box --commands true --commands 'echo $((6 * 7))' --adapter-type claude_local
same pass "$(field status <<<"$output")"
same environment_command_passed "$(field checks.0.code <<<"$output")"
same 42 "$(field checks.1.detail <<<"$output")"
same claude_local "$(field adapterType <<<"$output")"
same '' "$(field leaseId <<<"$output")"
same 0 "$(leases active)" "active leases"
same 1 "$(leases released)" "released leases"

say "no command: the place itself is the test"
tested 0 box
same '[]' "$(field checks <<<"$output")"

say "a command that fails does not hide those behind it"
tested 1 box --commands false --commands true --commands 'echo deep >&2; exit 7' --hold
same fail "$(field status <<<"$output")"
same error "$(field checks.0.level <<<"$output")"
same info "$(field checks.1.level <<<"$output")"
has "$(field checks.2.message <<<"$output")" "exit code 7"
same deep "$(field checks.2.detail <<<"$output")"
same '' "$(field leaseId <<<"$output")" "what failed is not held"
same 1 "$(leases failed)" "failed leases"
tested 1 box --commands 'exec tail -f /dev/null' --timeout 300ms
has "$(field checks.0.message <<<"$output")" "longer than 300 ms"

say "what cannot be tried is a warning, and nothing runs on the host instead"
tested 0 01890a5d-ac96-774b-bcce-b302099a8057 --commands "touch $here/ran"
same warn "$(field status <<<"$output")"
same environment_not_found "$(field checks.0.code <<<"$output")"
tested 0 "$(berth --json env show box | field id)" --company another --commands "touch $here/ran"
same environment_not_found "$(field checks.0.code <<<"$output")"
tested 0 box --adapter-type process --commands "touch $here/ran"
same environment_target_unsupported "$(field checks.0.code <<<"$output")"
[ ! -e "$here/ran" ] || story_fail "it ran on the host"

say "a provider that gives no place"
berth env create broken --driver sandbox \
    --config '{"provider":"fault","faults":[{"verb":"acquire","do":"fail"}]}' >/dev/null
tested 1 broken --commands true
same fail "$(field status <<<"$output")"
same environment_lease_acquire_failed "$(field checks.0.code <<<"$output")"
has "$(field checks.0.detail <<<"$output")" provider_error

say "a provider that cannot take its place back masks nothing"
berth env create sticky --driver sandbox \
    --config '{"provider":"fault","faults":[{"verb":"release","do":"fail","times":1}]}' >/dev/null
tested 0 sticky --commands true
same pass "$(field status <<<"$output")"
await 20 eval '[ "$(leases cleanup)" = 0 ]'

say "the host"
tested 0
same pass "$(field status <<<"$output")"
#  Its login shell reads a profile, which is to be ours.
berth env ensure-local >/dev/null
berth env update Local --policy '{"env":{"HOME":"'"$here"'"}}' >/dev/null
tested 0 --commands 'exit 0'
same pass "$(field status <<<"$output")"

say "a place that is held until its caller has looked at it"
tested 0 box --hold --commands 'echo one >one'
held=$(field leaseId <<<"$output")
same "$held" "$(field executionTarget.runner.leaseId <<<"$output")"
same active "$(berth --json lease show "$held" | field state)"
same 300000 "$(berth --json lease show "$held" | field maxLeaseMs)"
same one "$(berth exec logs --follow "$(berth --json exec start "$held" -- cat one | field id)")"
same released "$(berth --json env test-end "$held" | field state)"
same released "$(berth --json env test-end "$held" --status failed | field state)" "ended twice"
lease=$(berth --json lease acquire box | field id)
ends_with 5 berth env test-end "$lease"
has "$output" "not held by a test"
berth lease release "$lease" >/dev/null

say "nothing stays"
same 0 "$(leases active)" "active leases"
service_release
nothing_left

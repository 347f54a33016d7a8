#!/bin/bash
#  stop.sh - a stop is clean and takes at most ten seconds, whatever a provider is doing.
#
#  timeout: 120
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

service_start --test-providers
berth env create box --driver sandbox --config '{"provider":"fault"}' >/dev/null
stuck=$(berth --json env create stuck --driver sandbox \
    --config '{"provider":"fault","faults":[{"verb":"acquire","do":"hang"}]}' | field id)

say "a stop with nothing to wait for"
lease=$(berth --json lease acquire box | field id)
begun=$SECONDS
service_stop
[ $((SECONDS - begun)) -le 5 ] || story_fail "it took $((SECONDS - begun)) s"

say "a stop while a provider hangs"
service_start --test-providers
same active "$(berth --json lease show "$lease" | field state)"
opening=$(berth --json bus call lease.acquire \
    "{\"companyId\":\"default\",\"environmentId\":\"$stuck\",\"wait\":false}" | field id)
await 10 eval '[ "$(berth --json lease show "$opening" | field state)" = pending ]'
begun=$SECONDS
service_stop
[ $((SECONDS - begun)) -le 10 ] || story_fail "it took $((SECONDS - begun)) s"

say "what was under way is taken up by the next start"
service_start --test-providers
same active "$(berth --json lease show "$lease" | field state)"
same pending "$(berth --json lease show "$opening" | field state)"
berth lease release "$lease" >/dev/null
service_stop

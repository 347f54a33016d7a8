#!/bin/bash
#  overload.sh - what a company may take, as an operator sees it: rates and quotas, from the
#  configuration, said with the limit, the remedy, and when to come again.
#
#  timeout: 180
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

cat >"$here/berthd.zpl" <<'ZPL'
quotas
    leases = 3
companies
    slow
        id = "slow"
        quotas
            requestsPerSecond = 1
            requestsBurst = 2
    narrow
        id = "narrow"
        quotas
            execs = 1
            spoolBytes = 100000
ZPL
service_start --test-providers --config "$here/berthd.zpl"

say "requests a second: refused with when to come again, and taken then"
printf '%s\n' '#!/bin/bash' 'for i in 1 2 3 4; do' \
    "  '$BERTH_BUILD/berth' --company slow env list >/dev/null 2>>'$here/err' || echo \$?" 'done' >"$here/ask"
same 6 "$(bash "$here/ask" | sort -u)" "exit status of busy"
has "$(cat "$here/err")" "company 'slow' may have 1 requests a second, and is there (busy)"
has "$(cat "$here/err")" "requestsPerSecond"
has "$(cat "$here/err")" "berth: try again in "
await 10 berth --company slow env list
say "another company is not touched by that"
berth env list >/dev/null

say "live leases: the fourth is refused, and room is made by a release"
box=$(berth --json env create box --driver sandbox --config '{"provider":"fake"}' | field id)
for n in 1 2 3; do
    lease=$(berth --json lease acquire box | field id)
done
ends_with 6 berth lease acquire box
has "$output" "company 'default' may have 3 live leases, and is there (busy)"
has "$output" "release a lease"
ends_with 6 berth --json bus call lease.acquire \
    "{\"companyId\":\"default\",\"environmentId\":\"$box\"}"
berth lease release "$lease" >/dev/null
lease=$(berth --json lease acquire box | field id)

say "live execs and bytes of output"
berth --company narrow env create box --driver sandbox --config '{"provider":"bubblewrap"}' >/dev/null
place=$(berth --json --company narrow lease acquire box | field id)
first=$(berth --json --company narrow exec start "$place" -- sleep 100 | field id)
ends_with 6 berth --company narrow exec start "$place" -- true
has "$output" "company 'narrow' may have 1 live execs, and is there (busy)"
berth --company narrow exec signal "$first" KILL >/dev/null
berth --company narrow exec wait "$first" >/dev/null || true
#  Its spool may take what is left of the company's bytes, not more
big=$(berth --json --company narrow exec start "$place" -- head -c 300000 /dev/zero | field id)
berth --company narrow exec wait "$big" >/dev/null
same 100000 "$(berth --json exec show "$big" | field spoolMax)"
ends_with 6 berth --company narrow exec start "$place" -- true
has "$output" "company 'narrow' may have 100000 bytes of output kept, and is there (busy)"

say "the operator sees who was refused, and why"
status=$(berth status) || true
has "$status" "slow: "
has "$status" "over its rate"
has "$status" "default: 2 over its leases; it has 3 leases"
has "$status" "narrow: 1 over its execs, 1 over its output on disk"
same 2 "$(berth --json status | field companies | python3 -c '
import json, sys
print(next(row["overLeases"] for row in json.load(sys.stdin) if row["companyId"] == "default"))')"

say "a restart forgets no count"
service_stop
service_start --test-providers --config "$here/berthd.zpl"
ends_with 6 berth lease acquire box
service_release

say "a wrong configuration is refused by its path"
printf 'companies\n    one\n        quotas\n            leases = 0\n' >"$here/wrong.zpl"
ends_with 2 "$BERTH_BUILD/berthd" --config "$here/wrong.zpl" --state "$here/other"
has "$output" "companies?0?.quotas.leases"

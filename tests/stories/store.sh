#!/bin/bash
#  store.sh - what an operator does with the store: looks at it, checks it, backs it up, restores it,
#  lets old things go, verifies the log; and what a broken one says.
#
#  timeout: 240
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

generation_of ()    #  lease
{
    berth --json lease show "$1" | field generation
}

say "a store that is used a little, and looked at"
service_start --test-providers
berth env create host --driver local >/dev/null
for run in first second; do
    lease=$(berth --quiet lease acquire host --heartbeat-run-id $run)
    exec=$(berth --quiet exec start "$lease" -- echo "output of $run")
    ends_with 0 berth exec wait "$exec"
    berth lease release "$lease" >/dev/null
done
held=$(berth --quiet lease acquire host)
ends_with 0 berth store stat
has "$output" '% used'
has "$output" 'epoch 1'
has "$output" 'leases'
same roomy "$(berth --json store stat | field fill)"
same 3 "$(berth --json store stat | field tables.3.rows)" "leases in the store"
ends_with 0 berth store check
has "$output" 'everything fits together'
same true "$(berth --json store check | field ok)"

say "the log, by what one looks for"
same 1 "$(berth --json events --action environment.created | wc -l)"
same 2 "$(berth --json events --action exec.started | wc -l)"
[ "$(berth --json events --run first | wc -l)" -gt 4 ] || story_fail "a run has too few entries"
same "$held" "$(berth --json events --entity "$held" | field entityId)"
same 0 "$(berth --json events --since 2001-01-01T00:00:00Z --until 2001-01-02T00:00:00Z | wc -l)"
ends_with 0 berth events verify
has "$output" 'entries of company default fit'

say "a backup beside live work: whole, named once, never written over"
ends_with 0 berth store backup "$here/copy"
has "$output" "$here/copy"
ends_with 5 berth store backup "$here/copy"
has "$output" 'exists'
(cd "$here" && ends_with 0 berth store backup relative)
[ -s "$here/relative" ] || story_fail "a relative path is not one of this folder"
ends_with 4 berth store backup "$here/no/such/folder"
before=$(generation_of "$held")
later=$(berth --quiet lease acquire host)
newest=$(generation_of "$later")
service_release

say "restored elsewhere: what was there is there, what came later is not, and no holder is older"
first_state=$BERTH_STATE
export BERTH_STATE=$here/again
mkdir -m 711 "$BERTH_STATE"
ends_with 0 "$BERTH_BUILD/berthd" --state "$BERTH_STATE" --restore "$here/copy"
ends_with 5 "$BERTH_BUILD/berthd" --state "$BERTH_STATE" --restore "$here/copy"
has "$output" 'there is a store'
ends_with 5 "$BERTH_BUILD/berthd" --state "$first_state" --restore "$here/copy"
service_start --test-providers
same 2 "$(berth --json store stat | field epoch)"
same "$before" "$(generation_of "$held")"
ends_with 4 berth lease show "$later"
fresh=$(generation_of "$(berth --quiet lease acquire host)")
[ "$fresh" -gt "$newest" ] || story_fail "generation $fresh after a restore, $newest was given out before"
ends_with 0 berth events verify
service_kill
service_start --test-providers
same 2 "$(berth --json store stat | field epoch)" "epoch after a second start"
ends_with 1 berth store check               #  A backup holds no output, and the check says so
has "$output" 'its output is not there'
service_release
echo nonsense >"$here/nonsense"
mkdir -m 711 "$here/empty"
ends_with 2 "$BERTH_BUILD/berthd" --state "$here/empty" --restore "$here/nonsense"
has "$output" 'no backup'

say "what ended goes by itself, what lives stays, and the log says where it begins"
export BERTH_STATE=$first_state
cat >"$here/short.conf" <<'END'
retention
    activity = 4
    leases = 2
    runs = 2
    execs = 2
    spools = 1
END
service_start --test-providers --config "$here/short.conf"
kept=$(berth --quiet lease acquire host)
await 40 eval '[ "$(berth --json store stat | field tables.5.rows)" = 0 ]'     #  execs
await 40 eval '[ "$(berth --json store stat | field tables.3.rows)" = 1 ]'     #  leases
same '' "$(ls -A "$BERTH_STATE/spool")" "folders of output"
await 40 eval '[ "$(berth --json store stat | field oldestSeq)" -gt 15 ]'
same active "$(berth --json lease show "$kept" | field state)"
has "$(berth events --all 2>&1 >/dev/null || true)" 'no longer kept' "the gap"
[ "$(berth --json bus call activity.list '{"companyId":"default"}' | field gap)" -gt 10 ] \
    || story_fail "no gap is told"
ends_with 0 berth events verify
ends_with 0 berth store check
service_release

say "somebody changes an entry: it is named"
service_start --test-providers
berth --company tampered env create place --driver local >/dev/null
for _ in 1 2 3; do
    berth --company tampered --quiet lease acquire place >/dev/null
done
ends_with 0 berth --company tampered events verify
service_release
#  Past Berth, in the file: the bytes of the second entry's action, wherever its page lies
/usr/bin/python3 - "$BERTH_STATE/store/data.mdb" <<'END'
import re, sys
path = sys.argv[1]
data = bytearray(open(path, "rb").read())
wanted = re.compile(rb"companySeq\x02\xa2id.{1,300}?companyId\xa8tampered.{1,300}?environment\.lease_acquired", re.S)
hits = [found.end() for found in wanted.finditer(bytes(data))]
assert hits, "no such entry in the file"
for end in hits:
    data[end - 8:end] = b"acquireD"
open(path, "wb").write(data)
END
service_start --test-providers
ends_with 1 berth --company tampered events verify
has "$output" 'entry 2 of company tampered'
ends_with 0 berth events verify
ends_with 1 berth store check
has "$output" 'tampered/2'
same 2 "$(berth --json --company tampered events verify | field broken.companySeq)"
service_release

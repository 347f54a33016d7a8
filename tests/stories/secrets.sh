#!/bin/bash
#  secrets.sh - a value goes in and comes out in a place alone: nowhere on disk, in a log, in an entry,
#  in a command line; and the store is nothing without its key.
#
#  timeout: 120
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

canary=canary-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
second=canary-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
digest ()       #  text
{
    printf %s "$1" | sha256sum | cut -d' ' -f1
}

#  Not a byte of it below a folder. What is asked for is made here, so that no argument holds it.
nowhere ()      #  folder...
{
    local found
    found=$(printf '%s\n%s\n' "$canary" "$second" | grep -rlaF -f - "$@" 2>/dev/null || true)
    [ -z "$found" ] || story_fail "a secret stands in: $found"
}

service_start
[ "$(stat -c %a "$BERTH_STATE/master.key")" = 600 ] || story_fail 'the master key is readable'
env=$(berth --json env create box --driver sandbox --config '{"provider": "bubblewrap"}' | field id)
lease=$(berth --json lease acquire box | field id)

say 'a value comes from stdin'
secret=$(printf '%s\n' "$canary" | berth --json secret create 'Deploy token' | field id)
shown=$(berth --json secret show deploy-token 2>/dev/null || berth --json secret show 'Deploy token')
same deploy-token "$(field key <<<"$shown")" key
lacks "$shown" "$canary"
ends_with 5 berth secret create 'Deploy token' < <(echo other)
ends_with 2 berth secret create empty </dev/null

say 'it is used only where it is bound'
ask ()          #  script
{
    berth --json bus call exec.run "$(printf '{"leaseId": "%s", "script": "%s", "env": {"TOKEN": {"type": "secret_ref", "secretId": "%s"}}}' \
        "$lease" "$1" "$secret")"
}
script='printf %s \"$TOKEN\" | sha256sum'
ends_with 5 ask "$script"
has "$output" 'berth secret bind'
berth secret bind 'Deploy token' --target-type environment --target-id "$env" --config-path env.TOKEN
has "$(ask "$script" | field stdout)" "$(digest "$canary")" 'what the place saw'
has "$(berth --json secret events 'Deploy token' | field -a outcome)" success

say 'no process of its way tells it'
berth exec start "$lease" --json -- sleep 60 >/dev/null 2>&1 || true
for pid in $(pgrep -f "$BERTH_STATE" || true) "$service_pid"; do
    lacks "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null || true)" "$canary" cmdline
    lacks "$(tr '\0' ' ' <"/proc/$pid/environ" 2>/dev/null || true)" "$canary" environ
done
nowhere "$BERTH_STATE" "$service_log"
lacks "$(berth --json events --all 2>&1; berth bus stats)" "$canary" events

say 'its next version, and the one before by its number'
printf %s "$second" >"$here/value"
berth secret rotate 'Deploy token' --from-file "$here/value"
rm "$here/value"
has "$(ask "$script" | field stdout)" "$(digest "$second")" 'after rotation'
nowhere "$BERTH_STATE" "$service_log"

say 'a new master key, while it runs'
before=$(cat "$BERTH_STATE/master.key")
has "$(berth --json secret rekey)" '"companies":1'
[ "$before" != "$(cat "$BERTH_STATE/master.key")" ] || story_fail 'the key is the same'
has "$(ask "$script" | field stdout)" "$(digest "$second")" 'after a new master key'
berth lease release "$lease"
service_stop

say 'with another key, or none, it does not start, and changes nothing'
cp "$BERTH_STATE/master.key" "$here/kept"
sum=$(sha256sum <"$BERTH_STATE/store/data.mdb")
printf '%s\n' "$before" >"$BERTH_STATE/master.key"
ends_with 21 "$BERTH_BUILD/berthd" --state "$BERTH_STATE" --runtime "$BERTH_STATE/run"
has "$output" 'another master key'
rm "$BERTH_STATE/master.key"
ends_with 4 "$BERTH_BUILD/berthd" --state "$BERTH_STATE" --runtime "$BERTH_STATE/run"
has "$output" 'master key'
[ ! -e "$BERTH_STATE/master.key" ] || story_fail 'a new key was made over the lost one'
same "$sum" "$(sha256sum <"$BERTH_STATE/store/data.mdb")" 'the store'
cp "$here/kept" "$BERTH_STATE/master.key"
chmod 644 "$BERTH_STATE/master.key"
ends_with 21 "$BERTH_BUILD/berthd" --state "$BERTH_STATE" --runtime "$BERTH_STATE/run"
has "$output" 'chmod 600'
chmod 600 "$BERTH_STATE/master.key"

say 'the key may come from outside'
mkdir -m 700 "$here/credentials"
mv "$BERTH_STATE/master.key" "$here/credentials/berth-master-key"
CREDENTIALS_DIRECTORY=$here/credentials service_start
lease=$(berth --json lease acquire box | field id)
has "$(ask "$script" | field stdout)" "$(digest "$second")" 'by a credential'
ends_with 25 berth secret rekey
berth lease release "$lease"
ends_with 5 berth secret delete 'Deploy token'
berth secret delete 'Deploy token' --force
ends_with 4 berth secret show 'Deploy token'
service_release
nowhere "$BERTH_STATE" "$service_log"

say 'what is typed into a config becomes a secret, opened for each call of its provider'
CREDENTIALS_DIRECTORY=$here/credentials service_start --test-providers
typed ()        #  name token: both by the shell's own words, no process sees them
{
    printf '{"companyId": "default", "name": "%s", "driver": "sandbox", "config": {"provider": "fault", "token": "%s"}}' "$1" "$2"
}
box=$(typed box1 "right-$canary" | berth --json bus call environment.create -)
lacks "$box" "$canary" 'the row'
secret=$(field config.token <<<"$box")
has "$(berth --json secret show "$secret" | field name)" 'environment-sandbox-box1-token-'
same environment "$(berth --json secret usage "$secret" | field targetType)" binding
lease=$(berth --json lease acquire box1 | field id)
lacks "$(berth --json lease show "$lease")" "$canary" 'the lease'
within 5 sh -c "'$BERTH_BUILD/berth' --json secret events '$secret' | grep -q success" || story_fail 'its use is not entered'
nowhere "$BERTH_STATE" "$service_log"
berth lease release "$lease"

say 'another value takes its place, and the one before goes'
ends_with 0 berth bus call environment.update "$(printf '{"environmentId": "%s", "config": {"token": "wrong-x"}}' "$(field id <<<"$box")")"
ends_with 4 berth secret show "$secret"
ends_with 27 berth lease acquire box1
has "$output" 'the token is wrong'
secret=$(berth --json env show box1 | field config.token)
ends_with 0 berth secret update "$secret" --status disabled
ends_with 5 berth lease acquire box1
has "$output" 'disabled'
berth env delete box1 --force
ends_with 4 berth secret show "$secret"
service_release

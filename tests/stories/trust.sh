#!/bin/bash
#  trust.sh - strangers over TCP: who gets in, what they see, what a change takes from them
#  timeout: 240
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

cd "$here"
cat >berthd.conf <<END
doors
    net
        id = net
        bus = "tcp://127.0.0.1:*"
        events = "tcp://127.0.0.1:*"
    ci
        id = ci
        bus = "ipc://$here/ci.sock"
        events = "ipc://$here/ci-events.sock"
        roles = observer
        companies = acme
        mode = 0660
END
service_start --config berthd.conf
bus=$(berth --json bus info | field networkBus)
has "$bus" tcp://127.0.0.1: "endpoint over TCP"

say "keys: a file of one's own, made once, never shown again"
berth key new ann --roles platform --companies acme --quiet
same 600 "$(stat -c %a ann.zcert)" "mode of a key file"
same 600 "$(stat -c %a "$BERTH_STATE/server.key")" "mode of the service's key"
secret=$(sed -n 's/.*secret-key = "\(.*\)"/\1/p' ann.zcert)
[ ${#secret} = 40 ] || story_fail "no secret key in the file"
if grep -qrF -e "$secret" "$BERTH_STATE" "$service_log"; then
    story_fail "the service knows the secret key"
fi
ends_with 5 berth key new ann --file other.zcert        #  Taken
[ ! -e other.zcert ] || story_fail "a file of a key that was refused is left"
berth key new bob --roles platform --companies globex --file bob.zcert --quiet
berth key new eve --roles observer --companies acme --quiet
berth key new root --roles operator --companies '*' --quiet
same "ann bob eve root" "$(berth key list --json | field -a id | xargs)" "keys"
same 1 "$(grep -cF -e "$(berth key server)" ann.zcert)" "the service's key in the file"

as ()       #  key command...: over TCP
{
    local key=$1
    shift
    env -u BERTH_STATE "$BERTH_BUILD/berth" --endpoint "$bus" --key-file "$here/$key.zcert" "$@"
}

say "every command works over TCP, with what the key may see"
as ann bus ping >/dev/null
env_a=$(as ann --company acme --json env create box --driver sandbox --config '{"provider":"bubblewrap"}' | field id)
env_b=$(as bob --company globex --json env create box --driver sandbox --config '{"provider":"bubblewrap"}' | field id)
same "$env_a" "$(as ann --company acme --json env list | field -a id)" "what ann sees"
ends_with 4 as ann --company globex env list
has "$output" "no company 'globex'"
ends_with 10 as ann --company acme env show "$env_b"
ends_with 21 as ann --company acme env create here --driver local
has "$output" localOverTcp
ends_with 21 as ann key list
ends_with 21 as ann bus shutdown
as root --company globex env show "$env_b" >/dev/null
as root key list >/dev/null

say "what happens, as it happens, of one's own companies alone"
env -u BERTH_STATE "$BERTH_BUILD/berth" --endpoint "$bus" --key-file ann.zcert --company acme --json \
    events --follow >ann.events &
follower=$!
await 20 test -s ann.events
as bob --company globex --json env create away --driver sandbox --config '{"provider":"bubblewrap"}' >/dev/null
env_c=$(as ann --company acme --json env create third --driver sandbox --config '{"provider":"bubblewrap"}' | field id)
await 20 grep -q "$env_c" ann.events
kill -TERM $follower
wait $follower || true
same acme "$(field -a companyId <ann.events | sort -u | xargs)" "companies that ann hears of"
ends_with 4 as ann --company globex events --follow

say "who shows no key, a strange one, or expects another service stays outside"
ends_with 2 env -u BERTH_STATE "$BERTH_BUILD/berth" --endpoint "$bus" bus ping
/usr/bin/python3 - "$(berth key server)" >stranger.zcert <<'END'
import sys, zmq
public, secret = (key.decode() for key in zmq.curve_keypair())
print('curve\n    public-key = "%s"\n    secret-key = "%s"\n    server-key = "%s"' % (public, secret, sys.argv[1]))
END
ends_with 20 as stranger bus ping
has "$output" unauthorized
ends_with 3 as ann --server-key "$(sed -n 's/.*public-key = "\(.*\)"/\1/p' bob.zcert)" bus ping

say "a second local socket has a role and a company of its own"
same 660 "$(stat -c %a ci.sock)" "its mode"
ci="env -u BERTH_STATE $BERTH_BUILD/berth --endpoint ipc://$here/ci.sock"
same true "$($ci --company acme --json env show "$env_a" | field configRedacted)" "an observer's view"
ends_with 10 $ci --company acme env show "$env_b"
ends_with 4 $ci --company globex env list
ends_with 21 $ci --company acme env delete "$env_a"

say "a client in another language: every request, the other company's rows, and what a revoke cuts"
/usr/bin/python3 -B "$BERTH_SOURCE/tests/foreign_trust.py" "$BERTH_STATE/run" "$here"

say "what was granted and revoked survives a restart"
service_kill
sed -i "s#tcp://127.0.0.1:\*#${bus}#; 0,/events = /s#events = .*#events = \"tcp://127.0.0.1:*\"#" berthd.conf
service_start --config berthd.conf
as bob --company globex env list >/dev/null
ends_with 20 as eve bus ping
has "$(berth --company '~service' events --all)" "key.revoked"

say "driver local over TCP, where the configuration says so"
service_kill
echo 'localOverTcp = true' >>berthd.conf
service_start --config berthd.conf
as bob --company globex env create here --driver local --quiet
same here "$(as bob --company globex --json env list --driver local | field name)" "what bob made"
service_release

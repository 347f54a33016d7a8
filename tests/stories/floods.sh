#!/bin/bash
#  floods.sh - peers that mean ill, with real sockets, against a real service: it stays up, a good
#  client beside is answered, memory and descriptors stay bounded, and everything is closed again.
#
#  timeout: 240
#  serial
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=16"
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

flood ()        #  attack socket [count]
{
    /usr/bin/python3 "$BERTH_SOURCE/tests/flood.py" "$@"
}

descriptors ()
{
    find "/proc/$service_pid/fd" -mindepth 1 2>/dev/null | wc -l
}

memory_mib ()
{
    awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$service_pid/status"
}

#  One good client: it is answered, and soon.
answered ()     #  [milliseconds]
{
    local begun=${EPOCHREALTIME/./} took
    berth lease show "$lease" >/dev/null || story_fail "a good client was refused"
    took=$(((${EPOCHREALTIME/./} - begun) / 1000))
    [ "$took" -le "${1:-3000}" ] || story_fail "a good client waited for $took ms"
}

calm ()         #  what: the service is as it was before
{
    answered
    await 15 eval '[ "$(descriptors)" -le '$((before + 4))' ]'
    [ "$(memory_mib)" -le $((memory + 160)) ] || story_fail "$1: $memory MiB became $(memory_mib)"
    same "$service_id" "$(berth --json bus ping | field instance)" "$1: instance"
}

cat >"$here/berthd.conf" <<END
doors
    net
        id = net
        bus = "tcp://127.0.0.1:*"
        events = "tcp://127.0.0.1:*"
END
service_start --test-providers --config "$here/berthd.conf"
net_bus=$(berth --json bus info | field networkBus) net_events=$(berth --json bus info | field networkEvents)
key=$here/ann.zcert
berth key new ann --roles platform --companies acme --file "$key" --quiet
bus=$BERTH_STATE/run/bus.sock events=$BERTH_STATE/run/events.sock
berth env create box --driver sandbox --config '{"provider":"fake"}' >/dev/null
lease=$(berth --json lease acquire box | field id)
answered
before=$(descriptors) memory=$(memory_mib)

say "half-open connections: all are closed by the service, in seconds"
for path in "$bus" "$events"; do
    flood half_open "$path" 300 >"$here/half" &
    flooding=$!
    answered
    wait $flooding
    same 300 "$(field closed <"$here/half")" "half-open connections that were closed"
done
calm "half-open connections"

say "handshakes without end"
flood handshakes "$bus" 3000 >"$here/hands" &
flooding=$!
while ! gone $flooding; do
    answered
done
wait $flooding
calm "handshakes"

say "giant frames close who sends them, and nobody else"
same 20 "$(flood giant "$bus" 20 | field closed)" "senders of giant frames that were closed"
same 6 "$(flood giant "$events" 6 | field closed)" "the same at the socket of events"
calm "giant frames"

say "a hundred thousand subscriptions, and giant ones"
flood subscriptions "$events" 100000 >"$here/subscriptions" &
flooding=$!
answered
wait $flooding
same 2 "$(field giantsClosed <"$here/subscriptions")" "giant subscriptions that were closed"
same false "$(field kept <"$here/subscriptions")" "a connection with a hundred thousand subscriptions"
calm "subscriptions"
has "$(timeout 5 "$BERTH_BUILD/berth" events || true)" "environment.lease_acquired" "activity"

say "over TCP: half-open connections, at every step of the handshake"
for path in "$net_bus" "$net_events"; do
    flood half_shaken "$path" 300 >"$here/half" &
    flooding=$!
    answered
    wait $flooding
    same 300 "$(field closed <"$here/half")" "half-open connections over TCP that were closed"
done
calm "half-open connections over TCP"

say "over TCP: handshakes without end, false ones and such of strangers"
{
    flood false_hellos "$net_bus" 3000
    flood strangers "$net_bus" 200 "$key"
} >"$here/hands" &
flooding=$!
while ! gone $flooding; do
    answered
    env -u BERTH_STATE "$BERTH_BUILD/berth" --endpoint "$net_bus" --key-file "$key" --company acme \
        env list >/dev/null || story_fail "a good client over TCP was refused"
done
wait $flooding
same 200 "$(field refused <"$here/hands")" "strangers that were refused"
calm "handshakes over TCP"

say "over TCP: garbage, giant frames and too many topics close who sends them, and nobody else"
same 30 "$(flood garbage "$net_bus" 30 | field closed)" "senders of garbage that were closed"
same 12 "$(flood garbage "$net_events" 12 | field closed)" "the same at the door of events"
same 5 "$(flood giants_with_key "$net_bus" 5 "$key" | field closed)" "giant frames with a good key"
same true "$(flood bomb_with_key "$net_events" 5000 "$key" | field cut)" "a subscription bomb over TCP"
calm "garbage over TCP"

say "a client that reads none of its answers is refused, others are not"
mkfifo "$here/stop"
flood deaf "$bus" 1200 <"$here/stop" >"$here/deaf" &
flooding=$!
exec {stop}>"$here/stop"
await 30 eval '[ -s "$here/deaf" ]'
answered
[ "$(memory_mib)" -le $((memory + 300)) ] || story_fail "deaf: $memory MiB became $(memory_mib)"
await 20 eval 'berth status | grep -q unread'
exec {stop}>&-
wait $flooding
calm "a deaf client"
service_release

say "more connections than there are descriptors"
mkdir "$here/few"
ln -s "$BERTH_BUILD"/berth* "$here/few"
rm "$here/few/berthd"
printf '#!/bin/bash\nulimit -n 256\nexec "%s" "$@"\n' "$BERTH_BUILD/berthd" >"$here/few/berthd"
chmod +x "$here/few/berthd"
whole=$BERTH_BUILD BERTH_BUILD=$here/few
service_start --test-providers
BERTH_BUILD=$whole
lease=$(berth --json lease acquire box | field id)
before=$(descriptors) memory=$(memory_mib)
flood exhaust "$bus" 1000 <"$here/stop" >"$here/exhaust" &
flooding=$!
exec {stop}>"$here/stop"
await 30 eval '[ -s "$here/exhaust" ]'
same 1000 "$(head -n 1 "$here/exhaust" | field opened)"
gone "$service_pid" && story_fail "it ended for want of descriptors"
[ "$(descriptors)" -lt 256 ] || story_fail "it has no descriptor left"
await 10 berth lease show "$lease"      #  Silent ones are closed soon, and make room
exec {stop}>&-
wait $flooding
calm "descriptors"
has "$(berth status)" "connections refused"
service_release

#!/bin/bash
#  notify.sh - berthd tells systemd when it is ready, that it is alive, and when it stops; a front
#  door that is stuck is not called alive.
#
#  timeout: 120
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

#  Plays systemd: a socket that prints each message as a line.
cat >"$here/listen.py" <<'END'
import socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1].replace("@", "\0", 1))
print("listening", flush=True)
while True:
    for line in listener.recv(4096).decode().splitlines():
        print(line, flush=True)
        if line == "STOPPING=1":
            sys.exit()
END

heard ()        #  line [times]
{
    [ "$(grep -cx "$1" "$here/heard")" -ge "${2:-1}" ]
}

listen ()       #  address
{
    /usr/bin/python3 "$here/listen.py" "$1" >"$here/heard" &
    listener=$!
    await 10 heard listening
    export NOTIFY_SOCKET=$1
}

say "ready, alive, stopping; nothing is said before it answers"
listen "$here/notify"
export WATCHDOG_USEC=400000
service_start
await 10 heard WATCHDOG=1 3
same READY=1 "$(sed -n 2p "$here/heard")" "what it says first"
unset WATCHDOG_USEC
service_stop
wait $listener
same 1 "$(grep -cx STOPPING=1 "$here/heard")" "that it stops"

say "without a watchdog it says no more than it must; an abstract socket"
listen "@berth-notify-$$"
service_start
await 10 heard READY=1
berth bus ping >/dev/null
service_stop
wait $listener
same "listening READY=1 STOPPING=1" "$(tr '\n' ' ' <"$here/heard" | sed 's/ $//')" "all it said"

say "somebody else's watchdog is not ours"
listen "$here/notify2"
export WATCHDOG_USEC=1000 WATCHDOG_PID=1
service_start
service_stop
wait $listener
same 0 "$(grep -cx WATCHDOG=1 "$here/heard" || true)" "signs of life"
unset WATCHDOG_PID

say "a front door that does not look around is not called alive"
listen "$here/notify3"
BERTH_PLANT=front-stuck WATCHDOG_USEC=10000 service_start
await 10 heard READY=1
berth bus ping >/dev/null
service_stop
wait $listener
same 0 "$(grep -cx WATCHDOG=1 "$here/heard" || true)" "signs of life"

say "a service that cannot start is not ready"
unset WATCHDOG_USEC
listen "$here/notify4"
ends_with 2 "$BERTH_BUILD/berthd" --state "$(printf '/tmp/%0200d' 1)"
same listening "$(cat "$here/heard")" "all it said"
kill $listener
wait $listener || true

#!/bin/bash
#  disk.sh - a disk that is full, and one that is frozen: nothing that was acknowledged is lost, the
#  service reads on and gives back, says what is the matter, and is well again when the disk is.
#
#  timeout: 240
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

[ "$(id -u)" = 0 ] || story_skip "no file system can be mounted here: not root"
export BERTH_STATE=$here/disk
mkdir -m 711 "$BERTH_STATE"
mounted=
loop=
renewing=

undo ()
{
    [ -z "$renewing" ] || kill "$renewing" 2>/dev/null || true
    [ -z "$loop" ] || fsfreeze -u "$BERTH_STATE" 2>/dev/null || true
    if [ "$mounted" ]; then
        if [ "$service_pid" ] && ! gone "$service_pid"; then
            kill -KILL "$service_pid"
            wait "$service_pid" 2>/dev/null || true
            service_pid=
        fi
        umount "$BERTH_STATE" || umount -l "$BERTH_STATE" || true
    fi
}
trap 'status=$?; undo; (exit $status); story_end' EXIT

mount -t tmpfs -o size=48m,mode=711 tmpfs "$BERTH_STATE" 2>/dev/null \
    || story_skip "no file system can be mounted here"
mounted=yes

say "a full disk: new work is refused, everything else goes on"
service_start --test-providers
berth env create host --driver local >/dev/null
berth env create slow --driver sandbox --config '{"provider":"fake"}' >/dev/null
leases=()
for _ in 1 2 3 4 5 6; do
    leases+=("$(berth --quiet lease acquire slow)")
done
dd if=/dev/zero of="$BERTH_STATE/hog" bs=1M 2>/dev/null || true
dd if=/dev/zero of="$BERTH_STATE/hog2" bs=1k 2>/dev/null || true
same 0 "$(df --output=avail "$BERTH_STATE" | tail -n 1 | tr -d ' ')" "blocks left on the disk"
await 10 eval '[ "$(berth --json store stat | field fill)" = tight ]'
ends_with 24 berth lease acquire slow
has "$output" 'store_full'
has "$output" 'retention'
ends_with 24 berth env create more --driver local
ends_with 24 berth run --on host -- true
ends_with 1 berth status
has "$output" 'TIGHT'
ends_with 1 berth store stat
ends_with 0 berth lease show "${leases[0]}"
ends_with 0 berth lease renew "${leases[0]}"
ends_with 0 berth lease release "${leases[0]}"
ends_with 0 berth lease release "${leases[1]}"
ends_with 0 berth events --limit 3
ends_with 0 berth events verify
ends_with 24 berth store backup "$BERTH_STATE/copy"
same '' "$(find "$BERTH_STATE" -name 'copy*')" "what is left of a backup that had no room"

say "killed on the full disk, it comes back with all of it"
service_kill
service_start --test-providers
same 4 "$(berth --json lease list --state active | field -a id | wc -l)" "active leases"
ends_with 0 berth lease release "${leases[2]}"
for _ in $(seq 1 300); do
    berth lease renew "${leases[3]}" >/dev/null
done
ends_with 24 berth lease acquire slow

say "the space comes back"
rm "$BERTH_STATE/hog" "$BERTH_STATE/hog2"
await 10 eval '[ "$(berth --json store stat | field fill)" = roomy ]'
ends_with 0 berth lease acquire slow
ends_with 0 berth store check
service_release
umount "$BERTH_STATE"
mounted=

say "a frozen disk"
if ! truncate -s 96M "$here/image" || ! mkfs.ext4 -q -F "$here/image" 2>/dev/null \
    || ! mount -o loop "$here/image" "$BERTH_STATE" 2>/dev/null; then
    echo "not told here: no loop device can be mounted"
    exit 0
fi
mounted=yes loop=yes
chmod 711 "$BERTH_STATE"
service_start --test-providers
berth env create host --driver local >/dev/null
held=$(berth --quiet lease acquire host)
fsfreeze -f "$BERTH_STATE"
"$BERTH_BUILD/berth" lease renew "$held" --deadline 60s >"$here/renewed" 2>&1 &
renewing=$!
await 20 eval '! berth lease renew "$held" --deadline 1s 2>"$here/said" && grep -q store_stalled "$here/said"'
ends_with 23 berth lease renew "$held" --deadline 5s
has "$output" 'store_stalled'
ends_with 0 berth bus ping
fsfreeze -u "$BERTH_STATE"
wait $renewing || story_fail "what waited for the disk failed: $(cat "$here/renewed")"
renewing=
await 10 eval 'berth lease renew "$held"'
ends_with 0 berth store check
service_release
umount "$BERTH_STATE"
mounted= loop=

#!/bin/bash
#  plain_road.sh - the same road without root: the stories of a run, a restart, a terminal and bad
#  input, told by a user without any right.
#
#  slow
#  timeout: 600
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

if [ "$(id -u)" != 0 ]; then
    say "they are told by a plain user already"
    exit 0
fi

#  Copies: tree and build may lie where only root can go.
mkdir -p "$here/bin/tests" "$here/tree/tests" "$here/t"
cp -r "$BERTH_SOURCE/tests/stories" "$here/tree/tests"
cp "$BERTH_BUILD"/{berth,berthd,berth-shim,berth-init} "$here/bin"
cp "$BERTH_BUILD/tests/watch" "$here/bin/tests"
chown 64123:64123 "$here/t"
cd "$here/t"
for name in run restart pty bad_input; do
    say "$name"
    setpriv --reuid 64123 --regid 64123 --clear-groups env -u BERTH_STATE HOME="$here/t" \
        TMPDIR="$here/t" BERTH_SOURCE="$here/tree" BERTH_BUILD="$here/bin" \
        "$here/bin/tests/watch" 200 bash "$here/tree/tests/stories/$name.sh"
done

#!/bin/bash
#  plain_user.sh - the same walls without root: the tests of providers as a user without any right.
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

if [ "$(id -u)" != 0 ]; then
    say "they ran as a plain user already"
    exit 0
fi

#  Copies: the build may lie where only root can go.
mkdir "$here/bin" "$here/tmp"
cp "$BERTH_BUILD"/{berth-shim,berth-init,tests/provider_contract,tests/test_bubblewrap} "$here/bin"
chown 64123:64123 "$here/tmp"
export BERTH_BUILD=$here/bin TMPDIR=$here/tmp
for name in test_bubblewrap provider_contract; do
    say "$name"
    setpriv --reuid 64123 --regid 64123 --clear-groups "$here/bin/$name"
done

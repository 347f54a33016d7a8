#!/bin/bash
#  layers.sh - is the house in order? Prints `file:line: reason` for what is not.
#
#  layers.sh           looks at the tree it lies in, then at itself: in a copy of the tree each rule
#                      is broken once, and each breach must be named
#  layers.sh FOLDER    looks at that tree only
set -u
self=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:-$self/..}" || exit 1

#  What each layer may include; the files of a layer see each other.
declare -A below=(
    [messages]=''
    [store]='messages'
    [providers]='messages'
    [actors]='messages store providers'
    [tools]='messages store providers actors'
    [tests]='messages store providers actors tools'
)
layers=(messages store providers actors tools tests)

bad ()      #  reason; reads lines of file, or file:line:anything
{
    local file line
    while IFS=: read -r file line _; do
        echo "$file:${line:-1}: $1"
    done
}

includes ()
{
    declare -A home         #  The layer of a header, by the name it is included by
    local file line text header of layer
    for file in $sources; do
        [[ $file = *.h ]] && home[${file##*/}]=${file%%/*}
    done
    while IFS=: read -r file line text; do
        header=${text#*\"} header=${header%%\"*} layer=${file%%/*} of=${home[${header##*/}]:-}
        if [ -z "$of" ]; then
            echo "$file:$line: includes \"$header\", which is in no layer"
        elif [[ $of != "$layer" && " ${below[$layer]} " != *" $of "* ]]; then
            echo "$file:$line: $layer must not include $of (\"$header\")"
        fi
    done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' $sources /dev/null)

    grep -nE '^ *# *include *<lmdb\.h>|\bmdb_[a-z_]+ *\(|\bMDB_' $sources /dev/null \
        | grep -vE '^(store/|tests/bench/|tests/test_)' | bad "LMDB is named only in store/"
    grep -nE '^ *# *include *<(czmq|zmq)[a-z_]*\.h>' $sources /dev/null \
        | grep -vE '^(messages/client[a-z_]*\.[ch]:|actors/|tools/|tests/)' \
        | bad "only messages/client, actors/ and tools/ use the bus's library"
}

forms ()
{
    local file lines entry name
    for file in $sources; do
        lines=$(wc -l <"$file")
        [ "$lines" -le 600 ] || echo "$file:$lines: $lines lines: a file is split at 600"
        [[ $file = *.h ]] || head -n 1 "$file" | grep -qE '^//  [a-z0-9_/]+\.c - ' \
            || echo "$file:1: its first line does not say what it owns"
    done
    for entry in $(ls -A); do
        case $entry in
            .* | build* | CMakeLists.txt | README.md | LICENSE) ;;
            actors | messages | store | providers | tools | tests) ;;
            *) echo "$entry:1: does not belong at the top" ;;
        esac
    done
    for file in tests/test_*.c; do
        name=${file##*/test_} name=${name%.c}
        [ ! -f "$file" ] || grep -qE "berth_test \($name[ )]|$file" CMakeLists.txt \
            || echo "$file:1: CMakeLists.txt does not build it"
    done
    for file in tests/stories/*.sh tests/run tools/packages tools/quickstart; do
        [ ! -f "$file" ] || bash -n "$file" 2>/dev/null || echo "$file:1: is no valid shell script"
    done
}

words ()
{
    find tests -type f \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name run \) \
        ! -name layers.sh ! -path 'tests/bench/*' -exec grep -nHE \
        '^([^"'"'"']*[^a-z_"'"'"'-])?(time\.)?(sleep|usleep|nanosleep)( +[$0-9.]| *\()' {} + \
        | bad "tests do not sleep, they wait for the event"
    find CMakeLists.txt "${layers[@]}" -type f ! -name layers.sh \
        -exec grep -nHIwE 'TODO|FIXME|XXX' {} + | bad "is left to be done"
}

sources=$(find "${layers[@]}" -name '*.[ch]' 2>/dev/null | sort)
found=$(includes 2>&1; forms 2>&1; words 2>/dev/null)
[ -z "$found" ] || echo "$found"
if [ $# -gt 0 ] || [ -n "$found" ]; then
    exit $((${#found} > 0))
fi

#  ---- the rules themselves: each is broken once in a copy

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/tree"
tar --exclude='./build*' --exclude=./.git -cf - . | tar -C "$copy/tree" -xf -

expected=()
broken ()       #  file, what is put at its end, what must be said of it
{
    mkdir -p "$copy/tree/$(dirname "$1")"
    printf '%s\n' "$2" >>"$copy/tree/$1"
    expected+=("$1:$3")
}

owns='//  planted.c - planted'
broken messages/up.c "$owns"$'\n#include "spool.h"' 'messages must not include store'
broken store/aside.c "$owns"$'\n#include "tree.h"' 'store must not include providers'
broken providers/aside.c "$owns"$'\n#include "spool.h"' 'providers must not include store'
broken messages/lost.c "$owns"$'\n#include "nowhere.h"' 'which is in no layer'
broken actors/engine.c "$owns"$'\n#include <lmdb.h>' 'LMDB is named only in store/'
broken actors/sync.c "$owns"$'\nint f (void) { return mdb_env_sync (e, 1); }' 'LMDB is named only'
broken store/bus.c "$owns"$'\n#include <czmq.h>' "use the bus's library"
broken store/long.c "$owns"$'\n'"$(yes 'int x;' | head -n 600)" 'a file is split at 600'
broken store/bare.c '#include <stdio.h>' 'does not say what it owns'
broken planted.txt 'x' 'does not belong at the top'
broken tests/test_planted.c '//  test_planted.c - planted' 'does not build it'
broken tests/stories/tired.sh 'sleep 1' 'tests do not sleep'
broken tests/test_error.c 'void f (void) { usleep (10); }' 'tests do not sleep'
broken tests/tired.py 'time.sleep(1)' 'tests do not sleep'
broken tests/stories/broken.sh 'if' 'is no valid shell script'
broken store/later.c "$owns"$'\n//  TODO: later' 'is left to be done'

if said=$(bash "$self/layers.sh" "$copy/tree"); then
    echo "tests/layers.sh:1: breaches do not fail it"
    found=1
fi
for one in "${expected[@]}"; do
    grep -F "${one%%:*}:" <<<"$said" | grep -qF "${one#*:}" && continue
    echo "tests/layers.sh:1: it does not see in ${one%%:*}: ${one#*:}"
    found=1
done
[ -z "$found" ]

#!/bin/bash
#  install.sh - what a packager and a program outside meet: everything is installed into an empty
#  prefix, works from there while tree and build are hidden, and goes again without a trace.
#
#  timeout: 600
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
unset BERTH_STATE

#  A release build of its own, kept beside the tests' build: the next time it is only brought up to date.
release=$BERTH_BUILD/release
say "a release build, without tests"
{
    cmake -S "$BERTH_SOURCE" -B "$release" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBERTH_TESTS=OFF \
        -DBERTH_WERROR=ON -DCMAKE_C_FLAGS=-Wno-error=maybe-uninitialized && ninja -C "$release"
} >"$here/build.log" 2>&1 || { tail -n 40 "$here/build.log"; story_fail "it does not build"; }

installed ()    #  folder: every file and link in it
{
    (cd "$1" && find . \( -type f -o -type l \) | sort)
}

#  Runs a command where tree and build are not to be seen.
outside ()      #  command...
{
    if [ "$(id -u)" = 0 ]; then
        unshare --mount bash -c 'mount -t tmpfs none "$0" && cd / && exec "$@"' "$BERTH_SOURCE" "$@"
    else
        bwrap --dev-bind / / --tmpfs "$BERTH_SOURCE" --chdir / -- "$@"
    fi
}

say "into an empty prefix, and the same by way of DESTDIR"
prefix=$here/prefix
DESTDIR=$here/stage cmake --install "$release" --prefix /opt/berth >/dev/null
cmake --install "$release" --prefix "$prefix" >/dev/null
same "$(installed "$here/stage/opt/berth")" "$(installed "$prefix")" "files by DESTDIR"
same opt "$(ls -A "$here/stage")" "beside the prefix"
same '' "$(grep -rlF -e "$BERTH_SOURCE" -e "$here" "$prefix" --include='*.pc' --include='*.cmake' || true)" \
    "text files that name this tree"
for file in bin/berth bin/berthd libexec/berth/berth-shim libexec/berth/berth-init libexec/berth/berth-shim-static lib/libberth.so \
    lib/libberth.a include/berth/client.h lib/pkgconfig/berth.pc lib/cmake/berth/berth-config.cmake \
    share/bash-completion/completions/berth share/zsh/site-functions/_berth; do
    [ -e "$prefix/$file" ] || story_fail "$file is not there"
done

say "the library exports what its headers declare, under names that begin with berth_"
for name in $(nm -D --defined-only "$prefix/lib/libberth.so" | awk '{ print $3 }'); do
    plain=${name#berth_}
    case $name in
        berth_*_schema | berth_*_enum) continue ;;
        berth_*) grep -qrwE "$name|$plain" "$prefix/include" && continue ;;
    esac
    story_fail "it exports $name"
done
same "$(nm -D --defined-only "$prefix/lib/libberth.so" | awk '{ print $3 }' | sort)" \
    "$(nm -g --defined-only "$prefix/lib/libberth.a" | awk 'NF == 3 { print $3 }' | sort)" "names of the archive"

say "the header alone, as C11 and as C++"
cd "$here"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
for header in "$prefix"/include/berth/*.h; do
    echo "#include <berth/${header##*/}>" >header.c
    outside cc -std=c11 -pedantic-errors -Wall -Wextra -Werror $(pkg-config --cflags berth) -fsyntax-only "$here/header.c"
done
cat >plus.cc <<'END'
#include <berth/client.h>
#include <vector>
int main ()
{
    berth_error_t err = {};
    arena_t *arena = arena_new ();
    bus_pong_t pong;
    berth_client_t *bus = berth_client_new ("ipc:///nowhere/bus.sock", &err);
    berth_client_set_patience (bus, 1);
    int rc = berth_client_ask (bus, REQUEST_BUS_PING, NULL, NULL, arena, &pong, &err);
    berth_client_destroy (&bus);
    arena_destroy (&arena);
    return rc == -1 && err.code == BERTH_UNREACHABLE && request_row (REQUEST_BUS_PING)
        && bus_pong_schema.count ? 0 : 1;
}
END
outside c++ -std=c++17 -pedantic-errors -Wall -Wextra -Werror "$here/plus.cc" -o "$here/plus" $(pkg-config --cflags --libs berth)
LD_LIBRARY_PATH=$prefix/lib outside "$here/plus"

say "the manual: every page in its place, and without a warning"
for page in berth.1 berthd.8 berth-shim.8 berth-init.8 berthd.conf.5 berth-protocol.7; do
    file=$prefix/share/man/man${page##*.}/$page
    [ -s "$file" ] || story_fail "$page is not there"
    text=$(cd "$prefix/share/man" && MANWIDTH=80 man --warnings -E UTF-8 -l "$file" 2>"$here/warnings")
    same '' "$(cat "$here/warnings")" "warnings about $page"
    has "$text" "SEE ALSO" "$page"
done
same '' "$(grep -v '^#' "$prefix/share/doc/berth/berthd.conf" | tr -d '\n')" "what the example configuration sets"

say "an example, by pkg-config alone; by the archive; by a project of CMake"
cp "$prefix/share/doc/berth/example.c" .
outside cc "$here/example.c" -Wall -Werror $(pkg-config --cflags --libs berth) -o "$here/example"
words=$(pkg-config --cflags --libs --static berth)
has "$words" -lzmq "pkg-config --static"
outside cc "$here/example.c" ${words/-lberth/-l:libberth.a} -o "$here/example-static"
mkdir project
cat >project/CMakeLists.txt <<'END'
cmake_minimum_required (VERSION 3.22)
project (example LANGUAGES C)
find_package (berth 0.1 REQUIRED CONFIG)
add_executable (example ../example.c)
target_link_libraries (example berth::berth)
END
outside cmake -S "$here/project" -B "$here/project/build" -DCMAKE_PREFIX_PATH="$prefix" >"$here/build.log" 2>&1 \
    && outside cmake --build "$here/project/build" >>"$here/build.log" 2>&1 \
    || { cat "$here/build.log"; story_fail "the project of CMake"; }

say "the installed service, found by nothing but its own place; the prefix was moved meanwhile"
mv "$prefix" "$here/moved"
prefix=$here/moved
export PATH=/usr/local/bin:/usr/bin:/bin LD_LIBRARY_PATH=$prefix/lib
outside "$prefix/bin/berthd" --state "$here/state" --local-root >"$service_log" 2>&1 </dev/null &
service_pid=$!
berth ()
{
    outside "$prefix/bin/berth" --state "$here/state" "$@"
}
await 30 service_answers
service_install=$(berth bus ping | sed -n 's/^install *//p')
endpoint=ipc://$here/state/run/bus.sock
same Linux "$(outside "$here/example" "$endpoint")" "the example"
same Linux "$(LD_LIBRARY_PATH='' outside "$here/example-static" "$endpoint")" "the example with the archive"
same Linux "$(outside "$here/project/build/example" "$endpoint")" "the example by CMake"
mkdir work
cd work
has "$(berth run --workspace "$here/work" -- sh -c 'echo from $(uname -n)')" "from berth" "a run in a sandbox"
cd ..
service_release

say "the units: systemd finds nothing wrong, and would notice"
cmake --install "$release" --prefix "$prefix" >/dev/null     #  It was moved: now it knows its name
unit=$prefix/lib/systemd/system/berthd.service
same "" "$(systemd-analyze verify --man=no "$unit" "${unit%/*}/berth-places.service" 2>&1)" "systemd-analyze verify"
sed 's/^ProtectClock/ProtectClocks/' "$unit" >"$here/wrong.service"
has "$(systemd-analyze verify --man=no "$here/wrong.service" 2>&1)" ProtectClocks "systemd-analyze verify of a wrong unit"
for line in Type=notify KillMode=process Delegate=yes RuntimeDirectoryPreserve=yes LimitNOFILE=65536; do
    grep -qx "$line" "$unit" || story_fail "no $line in the unit"
done
same "ExecStart=$prefix/bin/berthd --config $prefix/etc/berth/berthd.conf" "$(grep ^ExecStart= "$unit")" "what it starts"
grep -qF "$prefix/bin/berthd" "$here/stage/opt/berth/lib/systemd/system/berthd.service" && story_fail "staged for elsewhere"

#  What systemd would do before ExecStart, as far as it can be done without it: the capabilities, the
#  system calls, the read-only tree and the devices that the unit says.
setting ()      #  name
{
    sed -n "s/^$1=//p" "$unit"
}
cat >"$here/filter.py" <<'END'
import ctypes, errno, os, subprocess, sys
seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
names, groups = set(), sys.argv[1].split()
while groups:
    group = groups.pop()
    if group[0] != "@":
        names.add(group)
        continue
    listed = subprocess.run(["systemd-analyze", "syscall-filter", group], stdout=subprocess.PIPE, check=True)
    groups += [line.strip() for line in listed.stdout.decode().splitlines()[1:] if "#" not in line and line.strip()]
context = ctypes.c_void_p(seccomp.seccomp_init(0x00050000 | errno.EPERM))
for name in names:
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    if number != -1:
        seccomp.seccomp_rule_add(context, 0x7fff0000, number, 0)
if seccomp.seccomp_load(context):
    sys.exit("the filter cannot be loaded")
os.execv(sys.argv[2], sys.argv[2:])
END
cat >"$here/confine" <<'END'
set -eu
#  rw paths, capabilities, system calls, command...
for path in $1; do
    path=${path#-}
    [ ! -e "$path" ] || mount --rbind "$path" "$path"
done
mkdir /tmp/.dev.$$
mount -t tmpfs -o mode=755,nosuid dev /tmp/.dev.$$
for name in null zero full random urandom tty; do
    touch "/tmp/.dev.$$/$name"
    mount --bind "/dev/$name" "/tmp/.dev.$$/$name"
done
mkdir "/tmp/.dev.$$/pts" "/tmp/.dev.$$/shm"
mount --rbind /dev/pts "/tmp/.dev.$$/pts"
ln -s pts/ptmx "/tmp/.dev.$$/ptmx"
mount --move "/tmp/.dev.$$" /dev
rmdir /tmp/.dev.$$
while read -r _ _ _ _ point _; do
    for path in $1; do
        case $point in "${path#-}" | "${path#-}"/*) continue 2 ;; esac
    done
    case $point in /proc | /proc/* | /sys | /sys/* | /dev | /dev/*) ;; *) mount -o remount,bind,ro "$point" ;; esac
done </proc/self/mountinfo
capabilities=$(echo "$2" | tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g')
calls=$3
shift 3
exec setpriv --bounding-set "-all,$capabilities" --inh-caps=-all --no-new-privs \
    /usr/bin/python3 "${0%/*}/filter.py" "$calls" "$@"
END
if [ "$(id -u)" = 0 ]; then
    say "the unit in effigy: a run in a sandbox within all that it forbids"
    unshare --mount bash "$here/confine" "$(setting ReadWritePaths)" "$(setting CapabilityBoundingSet)" \
        "$(setting SystemCallFilter)" $(setting ExecStart) --state "$here/state" --local-root >"$service_log" 2>&1 </dev/null &
    service_pid=$!
    await 30 service_answers
    service_install=$(berth bus ping | sed -n 's/^install *//p')
    same 1 "$(sed -n 's/^NoNewPrivs:[[:space:]]*//p' "/proc/$service_pid/status")" "no new privileges"
    same 2 "$(sed -n 's/^Seccomp:[[:space:]]*//p' "/proc/$service_pid/status")" "system calls filtered"
    same 1 "$(grep -cE ' / / ro[, ]' "/proc/$service_pid/mountinfo")" "the root is read-only"
    cd work
    same "from berth" "$(berth run --return --workspace "$here/work" -- sh -c 'echo from $(uname -n) | tee said')" "a run"
    same "from berth" "$(cat said)" "what came home"
    ends_with 3 berth run --workspace "$here/work" -- sh -c 'exit 3'
    same "from here" "$(berth run --net --workspace "$here/work" -- sh -c 'mkdir -m 2775 group && echo from here')" "with the host's network"
    same Linux "$(outside "$here/example" "$endpoint")" "driver local"
    cd ..
    service_release
    nothing_left
fi

say "what was installed goes again"
echo "#   mine" >>"$prefix/etc/berth/berthd.conf"
has "$(cmake --install "$release" --prefix "$prefix")" "Kept: $prefix/etc/berth/berthd.conf" "a changed configuration"
rm "$prefix/etc/berth/berthd.conf"
cmake --install "$release" --prefix "$prefix" >/dev/null
echo mine >"$prefix/include/mine.h"
(cd "$release" && cmake --build . --target uninstall >/dev/null)
same ./include/mine.h "$(installed "$prefix")" "what is left"
same '' "$(find "$prefix" -name '*berth*')" "folders that are left"

#!/bin/bash
#  helpers.sh - the helpers of stories do see what goes wrong, on a service that is only played.
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

say "fields out of JSON"
json='{"id":"x","n":18446744073709551615,"none":null,"items":[{"id":"a b"},{"ok":true}]}'
same x "$(field id <<<"$json")"
same 18446744073709551615 "$(field n <<<"$json")"
same "a b" "$(field items.0.id <<<"$json")"
same true "$(field items.1.ok <<<"$json")"
same '' "$(field none <<<"$json")"
same '' "$(field items.7.id <<<"$json")"
same 2 "$(printf '{"id":1}\n{"id":2}\n' | field id)"
same $'1\n2' "$(printf '{"id":1}\n{"id":2}\n' | field -a id)"
ends_with 1 field id <<<"no JSON"

say "assertions that fail"
ends_with 1 same a b
has "$output" "expected 'a', got 'b'"
ends_with 1 has "some text" "other"
ends_with 1 lacks "some text" "me te"
ends_with 1 ends_with 0 false
ends_with 1 await 0 false
lacks "some text" "other"
ends_with 3 bash -c 'exit 3'

say "a service"
mkdir "$here/build"
BERTH_BUILD=$here/build
cat >"$here/build/berthd" <<'END'
#!/bin/bash
trap 'rm -f "$2/up"; exit 0' TERM
mkfifo "$2/never"
exec 3<>"$2/never"
touch "$2/up"
while :; do read -r -u 3; done
END
cat >"$here/build/berth" <<'END'
#!/bin/bash
[ -f "$BERTH_STATE/up" ] && echo "instance 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
END
chmod +x "$here/build/berthd" "$here/build/berth"
service_start
same 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b "$service_id"
has "$(story_processes)" berthd
ends_with 1 nothing_left 0
has "$output" "left behind"
service_stop
same '' "$service_pid"
nothing_left
rm "$BERTH_STATE/never"
service_start
service_kill
rm "$BERTH_STATE/never"

say "a place that was forgotten"
cp /bin/tail "$here/build/bwrap"
(trap - ERR; setsid env -i "$here/build/bwrap" -f /dev/null &)
await 5 eval '[ "$(story_processes)" ]'
has "$(story_processes)" "bwrap -f"
ends_with 1 nothing_left 0
kill "$(story_processes | awk '{ print $1 }')"
nothing_left

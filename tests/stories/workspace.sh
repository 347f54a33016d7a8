#!/bin/bash
#  workspace.sh - a repository goes out and its commits come home; what would come is shown before it
#  does; what was not returned is kept until somebody says what becomes of it; the second time only
#  what changed goes.
#
#  timeout: 180
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x@x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x@x
work=$here/work
mkdir "$work"
cd "$work"
git init -q -b main
echo one >f
echo x >g
mkdir node_modules logs
echo heavy >node_modules/m
echo log >logs/l
printf '%s\n' '# what stays here' '@heavy' /logs .berthignore >.berthignore
printf '%s\n' node_modules logs .berthignore >.gitignore
git add f g .gitignore
git commit -qm first
there='git -c user.name=agent -c user.email=agent@there'

service_start
berth env create box --driver sandbox --config '{"provider":"bubblewrap","reuseLease":true}' >/dev/null

say "commits come home as commits, and what stays behind stays"
ends_with 0 berth run --return -- sh -c "test ! -e node_modules && test ! -e logs && test -e f \
    && echo two >>f && $there commit -qam second && echo evil >.git/hooks/post-commit && echo dirty >>g"
has "$output" "commits: fast_forward"
has "$output" ".git/hooks/post-commit"
same $'second\nfirst' "$(git log --format=%s)"
same ' M g' "$(git status --porcelain)"
same heavy "$(cat node_modules/m)"
[ ! -e .git/hooks/post-commit ] || story_fail "a hook came home"
git checkout -q g

#  One run in the box, by requests; its lease.
realized ()     #  run [return]
{
    local run="\"companyId\":\"default\",\"heartbeatRunId\":\"$1\"" acquired
    acquired=$(berth --json bus call run.acquire "{$run,\"selectedEnvironmentId\":\"$box\",\"agentId\":\"a\"}")
    berth --json bus call run.realize \
        "{$run,\"return\":\"${2:-required}\",\"executionWorkspace\":{\"cwd\":\"$work\"}}" >"$here/realized"
    field lease.id <<<"$acquired"
}

exec_in ()      #  lease script
{
    berth exec wait "$(berth --json exec start "$1" -- sh -c "$2" | field id)" >/dev/null
}
box=$(berth --json env show box | field id)

say "what would come home: a diff that git applies, and nothing is written"
lease=$(realized r1)
same 0 "$(field workspaceRealization.transfer.savedBytes <"$here/realized")"
exec_in "$lease" 'echo theirs >f; echo new >n; rm g'
berth workspace diff "$lease" >"$here/patch" 2>/dev/null
same $'two' "$(tail -n 1 f)"
[ ! -e n ] || story_fail "a diff wrote"
git apply --check "$here/patch"
git apply --stat "$here/patch" >"$here/stat"
has "$(cat "$here/stat")" "3 files changed"
same "added changed deleted" "$(berth --json workspace diff "$lease" | field changes | grep -oE '"(added|changed|deleted)"' | tr -d '"' | sort | paste -sd' ')"

say "not returned: its files are kept, and the doctor tells"
berth lease release "$lease" >/dev/null
same retained "$(berth --json lease show "$lease" | field state)"
[ -d "$BERTH_STATE/places/${lease}" ] || story_fail "its place is gone"
berth workspace diff "$lease" 2>/dev/null | cmp - "$here/patch"

say "it comes home late, or is given up when somebody says so"
berth workspace return "$lease" >/dev/null 2>&1
same theirs "$(cat f)"
same new "$(cat n)"
berth lease release "$lease" >/dev/null
git checkout -q f g
rm n
other=$(realized r2)
exec_in "$other" 'echo lost >f'
berth lease release "$other" >/dev/null
same retained "$(berth --json lease show "$other" | field state)"
berth workspace discard "$other" >/dev/null
same released "$(berth --json lease show "$other" | field state)"
same workspace.discarded "$(berth --json events list --action workspace.discarded | field action)"
ends_with 5 berth workspace return "$other"
same two "$(tail -n 1 f)"

say "the second time only what changed goes, and the record says so"
third=$(realized r3 none)
exec_in "$third" 'echo mine >f; echo mine >m'
berth lease release "$third" >/dev/null
echo more >>g
fourth=$(realized r4 none)
transfer=$(field workspaceRealization.transfer <"$here/realized")
same copy "$(field how <<<"$transfer")"
#  f was touched there and g here; all of .git, say, was there already.
[ "$(field savedBytes <<<"$transfer")" -gt 1000 ] || story_fail "all of it went again: $transfer"
[ "$(field bytes <<<"$transfer")" -lt 100 ] || story_fail "more went than changed: $transfer"
exec=$(berth --json exec start "$fourth" -- sh -c 'cat f g; ls m' | field id)
berth exec wait "$exec" >/dev/null && story_fail "what was made there is still there"
same "$(cat f g)" "$(berth exec logs "$exec" 2>/dev/null)"
berth lease release "$fourth" >/dev/null
service_release

#!/bin/bash
#  ssh.sh - another machine: made, tried, used, left, by the real programs and a real sshd.
#
#  timeout: 240
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"

[ -x /usr/sbin/sshd ] || story_skip "no sshd is installed"
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
ssh-keygen -q -t ed25519 -N '' -f "$here/host"
ssh-keygen -q -t ed25519 -N '' -f "$here/user"
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
cat >"$here/sshd_config" <<EOF
Port $port
ListenAddress 127.0.0.1
HostKey $here/host
PidFile none
AuthorizedKeysFile $here/user.pub
StrictModes no
UsePAM no
PermitRootLogin yes
SetEnv SHLVL=1
EOF
/usr/sbin/sshd -D -f "$here/sshd_config" -E "$here/sshd.log" &
sshd=$!
ssh-agent -D -a "$here/agent" >/dev/null &
agent=$!
hosts_end ()
{
    local status=$?
    set +e
    kill $sshd $agent 2>/dev/null
    return $status
}
trap 'hosts_end; story_end' EXIT
export SSH_AUTH_SOCK=$here/agent
await 20 ssh-add -q "$here/user"
config ()       #  further members
{
    printf '{"host":"127.0.0.1","port":%s,"username":"%s","remoteWorkspacePath":"%s/there","knownHosts":"[127.0.0.1]:%s %s"%s}' \
        "$port" "$(id -un)" "$here" "$port" "$(cut -d' ' -f1,2 <"$here/host.pub")" "${1:-}"
}

service_start
say "an environment of driver ssh is made and tried"
echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 <"$here/host.pub")" >"$here/known"
berth env create far --driver ssh --config host=127.0.0.1 --config port="$port" --config username="$(id -un)" \
    --config remoteWorkspacePath="$here/there" --config knownHosts=@"$here/known" >/dev/null
same true "$(berth --json env probe far | field ok)"
berth env create deaf --driver ssh --config "$(config | sed 's/"port":[0-9]*/"port":1/')" >/dev/null
has "$(berth --json env probe deaf | field summary)" "nobody listens"
same "ssh true" "$(berth --json provider probe ssh --config "$(config)" | field driver) $(berth --json provider probe ssh --config "$(config)" | field ok)"
ends_with 2 berth env create wrong --driver ssh --config "$(config ',"hots":1')"
has "$output" hots

say "a run there; its files go and come home"
mkdir "$here/work"
echo one >"$here/work/a"
(cd "$here/work" && same "one" "$(berth run --on far --return -- sh -c 'cat a; echo two >>a; date >b')")
same "one two" "$(tr '\n' ' ' <"$here/work/a" | sed 's/ $//')"
[ -s "$here/work/b" ] || story_fail "nothing new came home"

say "a lease, an exec that outlives berthd and its connection, and what it is called"
lease=$(berth --json lease acquire far | field id)
has "$(berth --json lease show "$lease" | field providerLeaseId)" "ssh://$(id -un)@127.0.0.1:$port$here/there/$lease"
same "$here/there/$lease" "$(berth --json bus call lease.target "{\"leaseId\":\"$lease\"}" | field remoteExecution.remoteCwd)"
exec=$(berth --json exec start "$lease" -- sh -c 'seq 1 20000; touch half; until [ -e go ]; do sleep 0.02; done; seq 20001 40000; exit 7' | field id)
await 20 test -e "$here/there/$lease/half"
service_kill
for session in $(pgrep -P $sshd); do
    kill -9 "$session"
done
touch "$here/there/$lease/go"
service_start
ends_with 7 berth exec wait "$exec"
same "$(seq 1 40000 | sha256sum)" "$(berth exec logs --stream stdout "$exec" | sha256sum)"

say "a key that is typed becomes a secret: it opens places, and stands nowhere"
ssh-add -q -D
has "$(berth --json env probe far | field ok)" false 'without a key'
key=$(/usr/bin/python3 -c 'import json, sys; print(json.dumps(open(sys.argv[1]).read()))' "$here/user")
printf '{"companyId":"default","name":"keyed","driver":"ssh","config":%s}' "$(config ",\"privateKey\":$key")" |
    berth bus call environment.create - >/dev/null
same true "$(berth --json env probe keyed | field ok)"
same fine "$(berth run --on keyed --no-workspace -- echo fine)"
line=$(sed -n 3p "$here/user")
! grep -raqF -- "$line" "$BERTH_STATE" "$service_log" || story_fail "the key stands in the state directory or the log"
ssh-add -q "$here/user"

say "given back, nothing is left there but the program"
berth lease release "$lease" >/dev/null
[ ! -e "$here/there/$lease" ] || story_fail "the folder of the lease is still there"
same bin "$(ls "$here/there/.berth")"
service_release
kill $sshd $agent
wait $sshd $agent 2>/dev/null || true

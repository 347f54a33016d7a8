#!/bin/bash
#  completion.sh - Tab in a real bash and a real zsh: commands, options, values, and what the
#  service has; nothing when there is none.
#
#  timeout: 120
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
unset TMUX
service_start --test-providers
berth env create box --driver sandbox --config '{"provider":"bubblewrap"}' >/dev/null
berth env create boat:2 --driver sandbox --config '{"provider":"fake"}' >/dev/null
export PATH=$BERTH_BUILD:$PATH

#  ---- bash: its function, as readline calls it

"$BERTH_BUILD/berth" completion bash >"$here/berth.bash"
bash -n "$here/berth.bash"

offered ()      #  word...: what bash makes of it; it divides words at = and : as readline does
{
    env bash --norc -c '
        . "$1"
        complete -p berth >/dev/null || exit 1
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _berth
        printf "%s\n" "${COMPREPLY[@]}" | sort | paste -sd" "' complete "$here/berth.bash" "$@"
}

say "bash: commands, options, values"
same "lease" "$(offered berth le)"
same "acquire adopt destroy list release renew resume show" "$(offered berth lease '')"
same "--timeout" "$(offered berth run --timeo)"
same "sandbox ssh" "$(offered berth env create x --driver s)"
same "sandbox" "$(offered berth env create x --driver = sa)"
has "$(offered berth help lease '')" renew
has " $(offered berth run --net -- tru) " " true "
mkdir "$here/dir" "$here/dir/one" "$here/dir/other"
touch "$here/dir/only"
same "$here/dir/one $here/dir/other" "$(offered berth --state "$here/dir/o")"
same "$here/dir/one $here/dir/only" "$(offered berth run --ro "$here/dir/on")"

say "bash: what the service has"
same "boat:2 box" "$(offered berth env show bo)"
same "boat:2 box" "$(offered berth run --on = bo)"
same "2" "$(offered berth env show boat : '')"
same "2" "$(offered berth run --on = boat : 2)"
lease=$(command berth --json lease acquire box | field id)
same "$lease" "$(offered berth lease show "${lease:0:8}")"
same "" "$(offered berth --runtime /nowhere env show bo)"
same "" "$(offered berth --company other env show bo)"
command berth lease release "$lease" >/dev/null

say "bash: a service that does not answer is not waited for"
kill -STOP "$service_pid"
begun=${EPOCHREALTIME/[.,]/}
same "" "$(offered berth env show bo)"
[ $((${EPOCHREALTIME/[.,]/} - begun)) -lt 3000000 ] || story_fail "it took $((${EPOCHREALTIME/[.,]/} - begun)) us"
kill -CONT "$service_pid"

#  ---- a person at a terminal

screen () { tmux -S "$here/tmux" "$@"; }
shows () { screen capture-pane -pJ -t t | grep -qE -- "$1"; }
await_screen () { within 30 shows "$1" || story_fail "no '$1' on the screen:" "$(screen capture-pane -pt t)"; }
types () { screen send-keys -t t "$@"; }
finish ()
{
    local status=$?
    screen kill-server 2>/dev/null || true
    (exit $status) && story_end || story_end
}
trap finish EXIT

say "bash: Tab in a terminal"
screen -f /dev/null new-session -d -s t -x 90 -y 30 "PS1='$ ' bash --norc"
types ". $here/berth.bash; echo rea\"\"dy" Enter
await_screen '^ready'
types 'berth env sh' Tab 'bo' Tab Tab
await_screen '^boat:2 +box'
types 'x' Tab '--js' Tab
await_screen '^\$ berth env show box --json'
types C-u 'berth run --on=boa' Tab
await_screen '^\$ berth run --on=boat:2'
screen kill-session -t t

say "zsh: Tab in a terminal, from a folder of functions as it is installed"
mkdir "$here/functions"
"$BERTH_BUILD/berth" completion zsh >"$here/functions/_berth"
zsh -n "$here/functions/_berth"
screen -f /dev/null new-session -d -s t -x 90 -y 30 "PS1='%% ' zsh -f"
types "fpath=($here/functions \$fpath); autoload -Uz compinit; compinit -u -d $here/dump; echo rea\"\"dy" Enter
await_screen '^ready'
types 'berth lea' Tab 'ren' Tab
await_screen '^% berth lease renew'
types C-u 'berth env sh' Tab 'bo' Tab
await_screen '^boat:2 +box +-- sandbox'
types C-u 'berth env show boa' Tab
await_screen '^% berth env show boat:2'
types C-u 'berth run --on=boa' Tab
await_screen '^% berth run --on=boat:2'
types C-u 'berth env create x --driver sa' Tab
await_screen '^% berth env create x --driver sandbox'
types C-u "berth --state=$here/dir/ot" Tab
await_screen '^% berth --state=.*/dir/other/'
types C-u 'clear; source <(berth completion zsh); echo sour""ced' Enter
await_screen '^sourced'
types 'berth run --time' Tab
await_screen '^% berth run --timeout'
screen kill-server
service_release

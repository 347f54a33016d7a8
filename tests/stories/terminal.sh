#!/bin/bash
#  terminal.sh - `berth run` in a real terminal: a pty of its size, keys, Ctrl-C, and a terminal that
#  is as it was on every way out; and a berth that is killed leaves nothing.
#
#  timeout: 240
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
mkdir "$here/work"
cd "$here/work"
unset BERTH_STATE TMUX              #  A private service each time

#  What is waited for stands in the command's output only, never in what is typed.
screen () { tmux -S "$here/tmux" "$@"; }
shows () { screen capture-pane -pJ -t t | grep -qE "$1"; }
await_screen () { within 60 shows "$1" || story_fail "no '$1' on the screen:" "$(screen capture-pane -pt t)"; }
types () { screen send-keys -t t "$@"; }

screen -f /dev/null new-session -d -s t -x 91 -y 23 "PS1='$ ' PATH='$BERTH_BUILD:$PATH' TMPDIR='$here' bash --norc"
finish ()                           #  With the status it came with
{
    local status=$?
    screen kill-server 2>/dev/null || true
    (exit $status) && story_end || story_end
}
trap finish EXIT
types 'before=$(stty -g)' Enter
as_before ()
{
    types 'clear; [ "$before" = "$(stty -g)" ] && echo terminal as"" before' Enter
    await_screen '^terminal as before'
}

say "a terminal of our size, that follows it"
types 'clear; berth run -- bash --norc; echo status"" $?' Enter
await_screen '^bash.*[$#]'
types 'tty; stty size; echo "<$TERM>"' Enter
await_screen '^/dev/pts/[0-9]'
await_screen '^23 91'
await_screen '^<[a-z0-9-]+>'
screen resize-window -t t -x 77 -y 21
types 'until [ "$(stty size)" = "21 77" ]; do read -t 0.1 < /dev/tty; done; echo fol""lowed' Enter
await_screen '^followed'

say "Ctrl-C is the command's, and a shell that answers it lives on"
types '(trap "echo inter""rupted" INT; cat)' Enter
types 'typed' Enter
await_screen '^typed$'
types C-c                           #  What is typed before it is answered goes with it
await_screen '^(\^C)?interrupted'
types 'echo al""ive' Enter
await_screen '^alive'
types 'exit 5' Enter
await_screen '^status 5'
as_before

say "a command that is deaf to Ctrl-C: the second one gives the place back"
types "clear; berth run -- sh -c 'trap \"\" INT; echo dea''f; tail -f /dev/null'; echo status\"\" \$?" Enter
await_screen '^deaf'
types C-c
types C-c
await_screen '^status 130'
as_before

say "SIGTERM in raw mode, twice"
types "clear; berth run -- sh -c 'trap \"\" TERM; echo dea''f; tail -f /dev/null'; echo status\"\" \$?" Enter
await_screen '^deaf'
pid=$(pgrep -x berth -P "$(screen display-message -p -t t '#{pane_pid}')")
kill -TERM "$pid"                   #  Two that come together are one: hence the third
kill -TERM "$pid" 2>/dev/null || true
within 1 gone "$pid" || kill -TERM "$pid" 2>/dev/null || true
await_screen '^status 143'
as_before

say "killed: the service sees it, closes the place, and its folder goes"
types "clear; berth run -- sh -c 'echo rea''dy; tail -f /dev/null'" Enter
await_screen '^ready'
pid=$(pgrep -x berth -P "$(screen display-message -p -t t '#{pane_pid}')")
kill -KILL "$pid"
no_folder () { [ -z "$(find "$here" -maxdepth 1 -name 'berth.*')" ]; }
await 20 no_folder
screen kill-server
nothing_left

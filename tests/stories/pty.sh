#!/bin/bash
#  pty.sh - an interactive shell in a place: a real terminal there, and this one as it was before.
#
#  timeout: 120
. "${BERTH_SOURCE:-$(dirname "$0")/../..}/tests/stories/lib.sh"
service_start
mkdir "$here/work"
cd "$here/work"

#  A person at a terminal: types, reads, changes the size of the window.
cat >"$here/person.py" <<'END'
import fcntl, os, pty, select, signal, struct, subprocess, sys, termios, time

keyboard, terminal = pty.openpty()


def size(rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def begin():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def start(*command):
    return subprocess.Popen(sys.argv[1:] + ["run", *command], stdin=terminal, stdout=terminal,
                            stderr=terminal, preexec_fn=begin)


seen = b""


def read_until(text, seconds=20):
    global seen
    until = time.monotonic() + seconds
    while text.encode() not in seen:
        left = until - time.monotonic()
        if left <= 0 or not select.select([keyboard], [], [], left)[0]:
            sys.exit(f"never came: {text!r} in {seen!r}")
        seen += os.read(keyboard, 65536)
    before, _, seen = seen.partition(text.encode())
    return before.decode(errors="replace")


def type_(text):
    os.write(keyboard, text.encode())


def same(expected, actual, what):
    if expected != actual:
        sys.exit(f"{what}: expected {expected!r}, got {actual!r}; then came {seen!r}")


size(33, 101)
before = termios.tcgetattr(terminal)
run = start("--", "bash", "--norc")
type_("PS1=; echo be''gin\n")
read_until("begin\r\n")

#  stty says what it is, tty says which.
type_("tty; stty size; echo e''nd\n")
words = read_until("end\r\n")
if "/dev/pts/" not in words or "33 101" not in words:
    sys.exit(f"no real terminal inside: {words!r}")

#  The window changes: the shell's child is told.
type_("trap 'stty size; echo cha''nged' WINCH; echo tra''pped\n")
read_until("trapped\r\n")
size(44, 99)
run.send_signal(signal.SIGWINCH)
until = time.monotonic() + 20
while True:                             #  bash runs its trap at the next key
    type_("\n")
    if select.select([keyboard], [], [], 0.2)[0]:
        seen += os.read(keyboard, 65536)
    if b"changed" in seen:
        break
    if time.monotonic() > until:
        sys.exit(f"no SIGWINCH inside: {seen!r}")
if "44 99" not in read_until("changed\r\n"):
    sys.exit("the size inside is not the window's")

#  Ctrl-C ends what runs in front, not the shell, not us.
type_("trap - WINCH; echo wai''ting; cat; echo status $?\n")
read_until("waiting\r\n")
type_("\x03")
read_until("\x1b[?2004h")               # It reads again; what is typed before is flushed
type_("echo a''fter\n")
read_until("after\r\n")
same(None, run.poll(), "berth run after one Ctrl-C")

#  Ctrl-D ends the shell; its status is ours.
type_("exit 6\n")
same(6, run.wait(30), "exit status")
same(before, termios.tcgetattr(terminal), "the terminal's settings after a shell")

#  A killed berth run cannot restore it, an ended command can: also one that made it raw itself.
seen = b""
run = start("--", "sh", "-c", "stty raw -echo; echo ready; read x")
read_until("ready")
type_("\n")
run.wait(30)
same(before, termios.tcgetattr(terminal), "the terminal's settings after a raw command")

#  Ctrl-] three times leaves a command that answers nothing.
seen = b""
run = start("--", "sh", "-c", "trap '' INT TERM QUIT; stty raw -echo; echo ready; cat >/dev/null")
read_until("ready")
type_("\x1d\x1d\x1d")
same(130, run.wait(30), "exit status of what was left")
same(before, termios.tcgetattr(terminal), "the terminal's settings after leaving")

#  Without a terminal at stdin there is none inside.
run = subprocess.run(sys.argv[1:] + ["run", "--", "sh", "-c", "tty || echo none"],
                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)
same(b"not a tty\nnone\n", run.stdout, "tty without one")
END

TERM=xterm /usr/bin/python3 "$here/person.py" "$BERTH_BUILD/berth"
await 20 eval '[ -z "$(ls -A "$BERTH_STATE/places")" ]'
service_release
nothing_left

#  machine.py - what the harness has hold of: berthd and its kill points, its shims, its cgroups.

import mmap
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

import msgpack
import zmq

from foreign_bus import Bus, Failed

KINDS = ["write", "pwrite", "fdatasync", "rename", "sendmsg", "fork", "mkdir", "unlink"]
ACTIONS = ["nothing", "before", "after", "eio", "enospc", "short"]
PAGE = struct.Struct("=8I I I I I I i 64s")
WRAPPER = '#!/bin/bash\nLD_PRELOAD=%s BERTH_POINTS=%s ASAN_OPTIONS=%s exec -a berth-shim %s "$@"\n'
PATIENCE = 60
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

zmq.Context.instance().setsockopt(zmq.RECONNECT_IVL, 5)
zmq.Context.instance().setsockopt(zmq.LINGER, 0)


def programs():
    """The folder with berthd: tests/run's, or a release build of our own."""
    build = os.environ.get("BERTH_BUILD")
    if build:
        return build
    build = os.path.join(ROOT, "build-crash")
    for command in (["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                     "-DBERTH_TESTS=OFF", "-DBERTH_CRASH=ON", "-DBERTH_PLANTS=ON",
                     "-DUUID_ARCHIVE=OFF"],         # No static shim: points.c goes into it, too
                    ["ninja", "-C", build, "berthd", "crash_points"]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.stderr.write(done.stdout.decode()[-4000:])
            sys.exit(2)
    return build


class Lost(Exception):
    """A promise that was not kept: its kind, and one sentence."""

    def __init__(self, kind, what):
        super().__init__("%s: %s" % (kind, what))
        self.kind = kind


class Points:
    """The page that points.c shares with us."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.write(bytes(4096))
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)

    def counts(self):
        return dict(zip(KINDS, PAGE.unpack_from(self.page)[:8]))

    def fired(self):
        return PAGE.unpack_from(self.page)[12]

    def clear(self):
        self.page[:PAGE.size] = bytes(PAGE.size)

    def arm(self, kind, ahead, action, times=1, only=""):
        """The call of that kind that comes `ahead` calls from now on."""
        at = self.counts()[kind] + ahead
        base = 8 * 4
        struct.pack_into("=I", self.page, base + 4, 0)
        struct.pack_into("=I", self.page, base, KINDS.index(kind))
        struct.pack_into("=III", self.page, base + 8, times, ACTIONS.index(action), 0)
        struct.pack_into("64s", self.page, base + 24, only.encode())
        struct.pack_into("=I", self.page, base + 4, at)

    def disarm(self):
        struct.pack_into("=I", self.page, 8 * 4 + 4, 0)


class Service:
    """berthd on a state directory; `lives` counts its starts."""

    def __init__(self, build, folder):
        self.build = build
        self.state = folder + "/state"
        os.mkdir(self.state, 0o711)
        os.chmod(self.state, 0o711)
        self.run = self.state + "/run"
        self.bus = "ipc://%s/bus.sock" % self.run
        self.log_path = folder + "/berthd.log"
        self.log = open(self.log_path, "ab")
        self.points = Points(folder + "/points")
        self.shim_points = Points(folder + "/shim_points")
        self.program = self.programs(folder + "/bin")
        self.process, self.lives, self.up, self.over = None, 0, False, False
        self.install = None

    def programs(self, folder):
        """A folder with berthd, and with a berth-shim that loads points.c too, if it is not static."""
        os.mkdir(folder)
        os.chmod(folder, 0o711)
        for name in ("berthd", "berth-init"):
            shutil.copy(os.path.join(self.build, name), folder)
        self.env = dict(os.environ, LD_PRELOAD=os.path.join(self.build, "tests", "libcrash_points.so"))
        self.env["ASAN_OPTIONS"] = "detect_leaks=0:verify_asan_link_order=0"
        shim = os.path.join(self.build, "berth-shim")
        with open(shim, "rb") as file:
            static = b"/ld-linux" not in file.read(4096)
        if static:
            shutil.copy(shim, folder)
        else:
            with open(folder + "/berth-shim", "w") as file:
                file.write(WRAPPER % (self.env["LD_PRELOAD"], self.shim_points.path,
                                      self.env["ASAN_OPTIONS"], shim))
            os.chmod(folder + "/berth-shim", 0o755)
        return folder + "/berthd"

    def launch(self):
        env = dict(self.env, BERTH_POINTS=self.points.path)
        self.process = subprocess.Popen(
            [self.program, "--state", self.state, "--runtime", self.run, "--local-root",
             "--test-providers"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=env,
            start_new_session=True)         # Ctrl-C is for us
        self.lives += 1

    def start(self):
        """True: it answers. False: it was killed before it did."""
        self.launch()
        bus = Bus(self.bus)
        try:
            until = time.monotonic() + 30
            bus.send("bus.ping", {})
            while time.monotonic() < until:
                if bus.socket.poll(10):
                    frames = bus.socket.recv_multipart()
                    self.install = msgpack.unpackb(frames[1])["install"]
                    self.up = True
                    return True
                status = self.process.poll()
                if status == -signal.SIGKILL:
                    return False
                if status is not None:
                    raise Lost("start", "berthd ended with %d at its start" % status)
            raise Lost("start", "berthd did not answer within 30 s of its start")
        finally:
            bus.close()

    def ended(self, seconds, failing=False):
        """Waits for its death, at most so long. By itself only if its disk fails, and with a word."""
        try:
            status = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        self.up = False
        if status != -signal.SIGKILL and not (failing and status > 0 and self.last_words()):
            raise Lost("death", "berthd ended by itself with %d" % status)
        return True

    def last_words(self):
        """The line in which it said why it ended by itself."""
        with open(self.log_path, "rb") as file:
            file.seek(max(0, os.path.getsize(self.log_path) - 2000))
            return re.findall(rb"fatal code=.*", file.read())

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.up = False

    def stop(self):
        self.up = False
        self.process.terminate()
        try:
            status = self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Lost("stop", "berthd did not stop within 15 s")
        if status:
            raise Lost("stop", "a stopped berthd ended with %d" % status)

    # ---- what is on the machine

    def shims(self):
        """Process ids that keep a place open, by lease."""
        found = {}
        prefix = self.state + "/places/"
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open("/proc/%s/cmdline" % name, "rb") as file:
                    if not file.read(64).startswith(b"berth-shim"):
                        continue
                log = os.readlink("/proc/%s/fd/2" % name)
            except OSError:
                continue
            if log.startswith(prefix):
                lease = UUID.search(log[len(prefix):])      # Its folder may be on its way out
                if lease:
                    found.setdefault(lease.group(), []).append(int(name))
        return found

    def places(self):
        """Leases that have a folder, or had one that is on its way out."""
        found = (UUID.search(name) for name in os.listdir(self.state + "/places"))
        return {lease.group() for lease in found if lease}

    def cgroups(self):
        found = []
        for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/memory",
                    "/sys/fs/cgroup/pids"):
            folder = "%s/berth-%s" % (top, (self.install or "?")[-8:])
            if os.path.isdir(folder):
                found += [folder] + [entry.path for entry in os.scandir(folder) if entry.is_dir()]
        return found

    def parked(self):
        """Shims of this install, whatever they do: also those that were made for a place to come."""
        found, name = set(), (self.install or "?")[-8:].encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as file:
                    words = file.read(4096).split(b"\0")
            except OSError:
                continue
            if name in words and any(word.endswith(b"berth-shim") for word in words):
                found.add(int(pid))
        return found

    def processes(self):
        """Whoever is in one of its cgroups, or keeps one of its places, or would."""
        found = {pid for pids in self.shims().values() for pid in pids} | self.parked()
        for folder in self.cgroups():
            try:
                with open(folder + "/cgroup.procs") as file:
                    found.update(int(line) for line in file)
            except OSError:
                pass
        return found

    def portrait(self, pid):
        """One line on a process that should not be there."""
        try:
            with open("/proc/%d/stat" % pid) as file:
                name, state, parent = file.read().replace("(", "").replace(")", "").split()[1:4]
            files = [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)]
            with open("/proc/%d/wchan" % pid) as file:
                return "%d %s %s, child of %s, in %s: %s" % (pid, name, state, parent, file.read(), files)
        except OSError as error:
            return "%d: %s" % (pid, error)

    def sweep(self):
        """After a failure: nothing of it stays."""
        if self.process and self.process.poll() is None:
            self.kill()
        until = time.monotonic() + 5
        while self.processes() and time.monotonic() < until:
            for pid in self.processes():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        for folder in reversed(self.cgroups()):
            try:
                os.rmdir(folder)
            except OSError:
                pass


class Stopped(Exception):
    """The season is over; whoever still asks, need not."""


class Caller:
    """Asks until there is an answer that is no invitation to try again, under the same key."""

    def __init__(self, service, patience=PATIENCE):
        self.service, self.patience = service, patience
        self.bus = Bus(service.bus)
        self.asked = 0

    def close(self):
        self.bus.close()

    def ask(self, kind, body, key=None, data=None):
        return self.ask_data(kind, body, key, data)[0]

    def ask_data(self, kind, body, key=None, data=None):
        """Body, bytes of frame 2, packed body."""
        service, bus = self.service, self.bus
        until = time.monotonic() + self.patience
        last = "none"
        while time.monotonic() < until:
            if service.over:
                raise Stopped()
            if not service.up:
                bus.socket.poll(5)
                continue
            header = {"deadlineMs": 20000}
            if key:
                header["key"] = key
            life = service.lives
            number = bus.send(kind, body, data, **header)
            self.asked += 1
            wait_until = time.monotonic() + 2
            while time.monotonic() < wait_until and service.lives == life:
                if not bus.socket.poll(10):
                    continue
                frames = bus.socket.recv_multipart()
                head, reply = msgpack.unpackb(frames[0]), msgpack.unpackb(frames[1])
                if head["id"] != number:
                    continue            # Of a try before
                if head["status"] == "ok":
                    return reply, frames[2] if len(frames) == 3 else b"", frames[1]
                if not reply["retryable"]:
                    raise Failed(reply)
                last = reply["code"]
                bus.socket.poll(5)
                break
        raise Lost("silence", "%s %r: no answer for %d s (last: %s)" % (kind, body, self.patience, last))

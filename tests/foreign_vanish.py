#  foreign_vanish.py - clients that go in every state, halves of messages, and bombs; a good client
#  beside them is served, the service does not grow, and nothing is left of them.

import contextlib
import os
import socket
import struct
import sys
import tempfile
import time
import uuid

import msgpack
import zmq

from foreign_bus import PATIENCE, Bus, Protocol, fail, same, say

GROWTH = 48 << 20                   # Bytes a service may be larger behind what it was sent
MANY = 40                           # Clients of a kind


class Raw:
    """ZeroMQ's wire by hand: a client that can say halves."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)

    def greet(self):
        self.socket.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(16) + b"\0" + bytes(31))
        self.take(64)
        ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"
        self.socket.sendall(b"\x04" + bytes([len(ready)]) + ready)
        flags, size = self.take(2)
        same(4, flags, "READY is a command")
        self.take(size)

    def take(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                fail("the service closed a connection")
            data += more
        return data

    def frame(self, data, more=False, part=None):
        head = struct.pack(">BQ", 2 | more, len(data)) if len(data) > 255 \
            else bytes([int(more), len(data)])
        self.socket.sendall((head + data)[:part])

    def message(self):
        frames, more = [], True
        while more:
            flags, = self.take(1)
            size, = struct.unpack(">Q", self.take(8)) if flags & 2 else self.take(1)
            frames.append(self.take(size))
            more = flags & 1
        return frames

    def close(self):
        self.socket.close()


def resident(pid):
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmRSS"))


def connections(pid):
    """Connections to the service's sockets that are open."""
    mine = set()
    for name in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(OSError):          # Closed meanwhile
            mine.add(os.readlink("/proc/%d/fd/%s" % (pid, name)))
    with open("/proc/net/unix") as file:
        rows = [line.split() for line in file]
    return sum(1 for row in rows if row[-1].endswith("/bus.sock") and "socket:[%s]" % row[6] in mine)


def within(true, what):
    """There is no event for it: it is asked again behind each answer of the service."""
    until = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > until:
            fail("this never came true: " + what)


class Story:
    def __init__(self, runtime, pid):
        self.path = os.path.join(runtime, "bus.sock")
        self.endpoint, self.pid = "ipc://" + self.path, pid
        self.good = Bus(self.endpoint)
        self.protocol = self.good.protocol = Protocol(self.good.ask("bus.describe"))
        self.company = "vanish-" + uuid.uuid4().hex[:8]

    def client(self):
        return contextlib.closing(Bus(self.endpoint, self.protocol))

    def raw(self):
        return contextlib.closing(Raw(self.path))

    def served(self):
        """The good client, in the midst of it: a read and a write."""
        row = self.good.ask("environment.create", {
            "companyId": self.company, "name": "good", "driver": "sandbox",
            "config": {"provider": "bubblewrap"}})
        same(row["id"], self.good.ask("environment.get", {"environmentId": row["id"]})["id"], "good")
        return row["id"]

    def stats(self):
        return self.good.ask("bus.stats")

    def count(self, kind, name):
        return next((row["count"] for row in self.stats()[kind] if row["name"] == name), 0)

    def nothing_waits(self):
        stats = self.stats()
        return stats["unanswered"] <= 1 and not any(row["waiting"] for row in stats["actors"])

    def start(self, lease, script, **more):
        return self.good.ask("exec.start", dict({"leaseId": lease, "script": script}, **more))["id"]


def send_frames(bus, frames):
    bus.socket.send_multipart(frames)


# ---- what is malformed: refused one by one, counted, and no memory kept

def bombs(company):
    header = msgpack.packb({"v": 1, "id": "b", "type": "lease.list"})
    good = msgpack.packb({"companyId": company})
    mega = "x" * ((1 << 20) - 100)
    field = lambda **body: [header, msgpack.packb(body)]
    head = lambda **more: [msgpack.packb(dict({"v": 1, "id": "b", "type": "lease.list"}, **more)), good]
    return {
        "1 MiB as a company": field(companyId=mega), "1 MiB as a cursor": field(companyId=company, cursor=mega),
        "1 MiB as a type": head(type=mega), "1 MiB as a key": head(key=mega), "1 MiB as an id": head(id=mega),
        "a depth bomb": [header, b"\x91" * 1000000], "a depth bomb of maps": [header, b"\x81\xa1a" * 300000 + b"\xc0"],
        "a count bomb": [header, b"\xdd\xff\xff\xff\xff"], "a map bomb": [header, b"\xdf\xff\xff\xff\xff"],
        "a text bomb": [header, b"\x81\xa9companyId\xdb\xff\xff\xff\xff"],
        "empty lists that add up": field(x=[[]] * 16384), "empty maps that add up": field(x=[{}] * 16384),
        "small lists that add up": field(x=[[0] * 15] * 1100),
        "small maps that add up": field(x=[{"a": 1, "b": 2}] * 6000),
        "counts that add up, cut off": [header, b"\x81\xa1x\xdc\xff\xff" + b"\xdc\x40\x00" * 20],
        "half a body": [header, good[:-2]], "half a header": [header[:-2], good],
        "an empty frame": [b"", b"", b""], "a hundred frames": [header, good] + [b"x"] * 98,
        "a hundred empty frames": [header] + [b""] * 99,
        "no UTF-8": [header, b"\x81\xa9companyId\xa2\xff\xfe"],
        "a key twice": [header, b"\x82\xa9companyId\xa1a\xa9companyId\xa1b"],
        "bytes behind": [header, good + b"\xc0"], "a body twice": [header, good + good],
    }


def refused(story, client, frames, what):
    send_frames(client, frames)
    if not client.socket.poll(PATIENCE * 1000):
        fail(what + ": no reply")
    got = client.socket.recv_multipart()
    got = got[1:] if got[0] == b"" else got
    head, body = msgpack.unpackb(got[0]), msgpack.unpackb(got[1])
    same(("error", "invalid_request"), (head["status"], body.get("code")), what)
    story.protocol.check("error_body", body, what)
    same(True, bool(body["message"]), what + ": a sentence")


def walk_bombs(story):
    say("bombs, each answered with what is wrong")
    bad = bombs(story.company)
    for what, frames in bad.items():            # One round for the first use of memory
        with story.client() as client:
            refused(story, client, frames, what)
    before, malformed = resident(story.pid), story.count("drops", "malformed")
    for _ in range(12):
        with story.client() as client:
            for what, frames in bad.items():
                refused(story, client, frames, what)
        story.served()
    grown = resident(story.pid) - before
    same(malformed + 12 * len(bad), story.count("drops", "malformed"), "malformed, as bus.stats counts")
    if grown > GROWTH:
        fail("the service has grown by %d MiB" % (grown >> 20))
    print("   %d bombs, %d KiB more" % (12 * len(bad), grown >> 10))


def walk_unread(story):
    say("bombs of clients that do not read what is answered")
    before = resident(story.pid)
    for what, frames in bombs(story.company).items():
        with story.client() as client:
            for _ in range(20):
                send_frames(client, frames)
            client.ping() if what == "a key twice" else None
        story.served()
    grown = resident(story.pid) - before
    if grown > GROWTH:
        fail("the service has grown by %d MiB" % (grown >> 20))
    print("   %d KiB more" % (grown >> 10))


# ---- halves

def walk_halves(story):
    say("halves of greetings, frames and messages")
    header = msgpack.packb({"v": 1, "id": "h", "type": "environment.create"})
    body = msgpack.packb({"companyId": story.company, "name": "half", "driver": "sandbox",
                          "config": {"provider": "bubblewrap"}})
    with story.raw() as client:                 # By hand it is a client like any other
        client.greet()
        client.frame(msgpack.packb({"v": 1, "id": "h", "type": "bus.ping"}))
        same("ok", msgpack.unpackb(client.message()[0])["status"], "a ping by hand")
    descriptors, malformed = connections(story.pid), story.count("drops", "malformed")
    for _ in range(MANY):
        halves = [Raw(story.path) for _ in range(7)]
        halves[0].socket.sendall(b"\xff" + bytes(5))            # Half a greeting
        for client in halves[1:]:
            client.greet()
        halves[2].frame(header, more=True)                      # The body never comes
        halves[3].frame(header, more=True, part=5)              # Half a frame
        halves[4].frame(header, more=True)
        halves[4].frame(body, part=len(body) // 2)              # Half of the last one
        halves[5].frame(b"", more=True)                         # An empty frame, and more to come
        halves[6].frame(b"")                                    # A message of nothing: answered
        same("error", msgpack.unpackb(halves[6].message()[-2])["status"], "a message of nothing")
        for client in halves:
            client.close()
    story.served()
    within(lambda: story.stats() and connections(story.pid) <= descriptors + 2,
           "connections of halves are closed")
    names = [row["name"] for row in story.good.ask(
        "environment.list", {"companyId": story.company, "limit": 1000})["items"]]
    same(0, names.count("half"), "environments of half a message")
    same(malformed + MANY, story.count("drops", "malformed"), "only messages of nothing are malformed")


# ---- clients that go

def walk_going(story, fault):
    environment = story.served()
    lease = story.good.ask("lease.acquire", {"companyId": story.company, "environmentId": environment})["id"]
    descriptors = connections(story.pid)
    same(True, descriptors >= 2, "the listener and the good client are seen")

    say("connected, and gone; asked, and gone")
    for _ in range(MANY):
        with story.client(), story.client() as client:
            client.send("lease.list", {"companyId": story.company})
            client.send("environment.create", {"companyId": story.company, "name": "left",
                                               "driver": "sandbox", "config": {"provider": "bubblewrap"}})
    story.served()

    say("a stream that has credit, and one that has none left")
    talks = story.start(lease, "while :; do echo talk; read -t 0.05 x; done </dev/zero", spoolMax=1 << 20)
    for _ in range(MANY // 4):
        for credit in (4, 1 << 30):
            with story.client() as client:
                number = client.send("exec.read", {"execId": talks, "stream": "stdout", "follow": True},
                                     credit=credit)
                same("stream", client.next(number).status, "the stream has begun")
    story.served()

    say("waiting for an exec; writing to one")
    waits = story.start(lease, "cat >/dev/null", stdin=True)
    for _ in range(MANY // 4):
        with story.client() as client:
            client.send("exec.wait", {"execId": waits})
            client.send("exec.write", {"execId": waits, "offset": 0}, data=b"x" * 1000)
            client.ping()
    if not any(row["waiting"] for row in story.stats()["actors"]):
        fail("nobody waits for the exec")

    say("acquiring: opened, opening, hanging")
    for _ in range(4):
        with story.client() as client:
            client.send("lease.acquire", {"companyId": story.company, "environmentId": environment,
                                          "maxLeaseMs": 1500}, deadlineMs=5000)
            client.ping()
        with story.client() as client:
            client.send("lease.acquire", {"companyId": story.company, "environmentId": fault},
                        deadlineMs=300)
            client.ping()
    story.served()

    say("bringing a workspace home")
    with tempfile.TemporaryDirectory(prefix="home.") as folder:
        for index in range(200):
            with open(os.path.join(folder, "file%d" % index), "w") as file:
                file.write("home %d\n" % index)
        run = "run-" + story.company
        place = story.good.ask("run.acquire", {"companyId": story.company, "heartbeatRunId": run,
                                               "selectedEnvironmentId": environment})["lease"]["id"]
        with story.client() as client:          # Realizing: it is done without the one who asked
            client.send("run.realize", {"companyId": story.company, "heartbeatRunId": run,
                                        "executionWorkspace": {"cwd": folder.encode()}}, credit=0)
            client.ping()
        within(lambda: story.good.ask("run.get", {"companyId": story.company,
                                                  "heartbeatRunId": run})["state"] == "ready",
               "the files are in the place")
        result = story.good.ask("exec.run", {"leaseId": place,
                                             "script": "for f in file*; do echo work >>$f; done"})
        same(0, result["exec"]["exitCode"], "the work")
        with story.client() as client:
            client.send("workspace.return", {"leaseId": place}, credit=0)
            client.ping()
        done = lambda: all("work" in open(os.path.join(folder, "file%d" % index)).read()
                           for index in range(200))
        within(lambda: story.stats() and done(), "the files came home without the one who asked")
        released = story.good.ask("run.release", {"companyId": story.company, "heartbeatRunId": run})
        same([], released["errors"], "the run's release")

    say("nothing is left of them")
    story.good.ask("exec.signal", {"execId": talks, "signal": 9})
    story.good.ask("exec.wait", {"execId": talks})
    story.good.ask("exec.write", {"execId": waits, "offset": 1000, "eof": True})
    same(0, story.good.ask("exec.wait", {"execId": waits})["exitCode"], "what was written to")
    story.good.ask("lease.release", {"leaseId": lease})
    within(lambda: not any(story.count("leases", state) for state in ("pending", "active", "releasing")),
           "leases of those who went are closed")
    same(0, sum(story.count("execs", state) for state in ("starting", "running")), "execs")
    within(story.nothing_waits, "no request waits for an answer")
    within(lambda: story.stats() and connections(story.pid) <= descriptors + 2, "connections are closed")


def main(runtime, pid, fault):
    story = Story(runtime, int(pid))
    instance = story.good.ping()["instance"]
    walk_bombs(story)
    walk_unread(story)
    walk_halves(story)
    walk_going(story, fault)
    same(instance, story.good.ping()["instance"], "it is the same service as at the start")
    story.good.close()


main(*sys.argv[1:])

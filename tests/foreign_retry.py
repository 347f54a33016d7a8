#  foreign_retry.py - a client in another language that does what "Keys and reconnecting" of
#  messages/README.md says, while the service is killed and started again under it.
#
#      foreign_retry.py BERTHD STATE

import os
import sys
import time

import msgpack

from foreign_bus import Bus, Failed, Protocol, fail, new_id, same, say
from killed_service import Service

HERE = os.path.dirname(sys.argv[2])
SERVICE = Service(sys.argv[1], sys.argv[2], open(os.path.join(HERE, "berthd.log"), "ab"))
PING = 0.2                          # Seconds between two looks at the instance


class Ask:
    """A request that is not answered yet."""

    def __init__(self, kind, body, data, header, until):
        self.kind, self.body, self.data, self.header, self.until = kind, body, data, header, until
        self.replies = []


class PatientBus:
    """Sends again what another instance has not heard of; an answer of before is nobody's."""

    def __init__(self, endpoint):
        self.bus = Bus(endpoint)
        self.bus.protocol = None
        self.asks, self.pings = {}, set()
        self.instance = None
        self.pinged = 0
        self.sent_again = 0
        self.protocol = Protocol(self.call("bus.describe", {}))

    def send(self, ask):
        left = max(1, int((ask.until - time.monotonic()) * 1000))
        number = self.bus.send(ask.kind, ask.body, ask.data, deadlineMs=left, **ask.header)
        self.asks[number] = ask

    def ask(self, kind, body, data=None, seconds=60, **header):
        if getattr(self, "protocol", None) and self.protocol.requests[kind]["writes"]:
            header.setdefault("key", new_id())
        ask = Ask(kind, body, data, header, time.monotonic() + seconds)
        self.send(ask)
        return ask

    def look(self):
        """Is it the same service still? Asked again and again, while something is unanswered."""
        if time.monotonic() - self.pinged > PING:
            self.pinged = time.monotonic()
            self.pings.add(self.bus.send("bus.ping"))

    def pong(self, instance):
        if self.instance and instance != self.instance:
            lost, self.asks = self.asks, {}
            for ask in lost.values():
                if "from" in ask.body:          # A stream: what came is not asked again
                    ask.body = dict(ask.body, **{"from": ask.body["from"] + sum(
                        len(data) for _, _, data in ask.replies)})
                    ask.kept = getattr(ask, "kept", []) + ask.replies
                    ask.replies = []
                self.send(ask)
                self.sent_again += 1
        self.instance = instance

    def turn(self):
        self.look()
        if not self.bus.socket.poll(20):
            return
        frames = self.bus.socket.recv_multipart()
        header, body = msgpack.unpackb(frames[0]), msgpack.unpackb(frames[1])
        number = header["id"]
        if number in self.pings:
            self.pings.discard(number)
            self.pong(body["instance"])
        elif number in self.asks:
            self.asks[number].replies.append((header["status"], body, b"".join(frames[2:])))
            if header["status"] == "stream":
                self.bus.send("stream.credit", {"id": number, "bytes": len(b"".join(frames[2:]))})
            else:
                self.asks.pop(number).done = True

    def wait(self, ask):
        """All that came: chunks, and the end."""
        while not getattr(ask, "done", False):
            if time.monotonic() > ask.until:
                fail("no answer to %s" % ask.kind)
            self.turn()
        replies = getattr(ask, "kept", []) + ask.replies
        if replies[-1][0] == "error":
            raise Failed(replies[-1][1])
        return replies

    def call(self, kind, body, data=None, **header):
        return self.wait(self.ask(kind, body, data, **header))[-1][1]


def again():
    SERVICE.kill()
    SERVICE.start()


def walk_key(bus):
    say("one key, one effect: joined, answered as it was, refused for another body")
    body = {"companyId": "acme", "name": "box", "driver": "sandbox",
            "config": {"provider": "bubblewrap"}}
    key = new_id()
    row = bus.call("environment.create", body, key=key)
    again()
    same(row, bus.call("environment.create", body, key=key), "the answer of the next service")
    try:
        bus.call("environment.create", dict(body, name="other"), key=key)
        fail("another body was taken")
    except Failed as error:
        same("conflict", error.code, "another body")
    same(1, len(bus.call("environment.list", {"companyId": "acme"})["items"]), "environments")
    return row["id"]


def walk_run(bus, environment):
    folder = os.path.join(HERE, "work")
    os.mkdir(folder)
    with open(os.path.join(folder, "file"), "w") as file:
        file.write("content")
    run = {"companyId": "acme", "heartbeatRunId": "r1"}

    say("a whole run; the service is killed behind each request")
    ask = bus.ask("run.acquire", dict(run, selectedEnvironmentId=environment))
    again()
    lease = bus.wait(ask)[-1][1]["lease"]["id"]
    ask = bus.ask("run.realize", dict(run, executionWorkspace={"cwd": folder}))
    again()
    bus.wait(ask)
    ask = bus.ask("exec.start", {"leaseId": lease, "stdin": True, "script":
                                 "seq 200000; cat >new; cat new; exit 5"})
    again()
    exec_id = bus.wait(ask)[-1][1]["id"]

    say("a stream goes on behind what had come")
    stream = bus.ask("exec.read", {"execId": exec_id, "stream": "stdout", "from": 0, "follow": True},
                     credit=65536)
    while len(stream.replies) < 3:
        bus.turn()
    again()

    say("stdin at its offset: sent twice, taken once")
    ask = bus.ask("exec.write", {"execId": exec_id, "offset": 0}, b"word\n")
    again()
    same(5, bus.wait(ask)[-1][1]["offset"], "accepted")
    same(5, bus.call("exec.write", {"execId": exec_id, "offset": 0, "eof": True}, b"word\n")["offset"],
         "accepted again")
    replies = bus.wait(stream)
    expected = b"".join(b"%d\n" % number for number in range(1, 200001)) + b"word\n"
    same(True, b"".join(data for _, _, data in replies) == expected, "the whole output")
    same((len(expected), True), (replies[-1][1]["next"], replies[-1][1]["eof"]), "its end")
    end = bus.call("exec.wait", {"execId": exec_id})
    same(("exited", 5), (end["cause"], end["exitCode"]), "the end")

    ask = bus.ask("workspace.return", {"leaseId": lease})
    again()
    same(0, bus.wait(ask)[-1][1]["conflicts"], "conflicts")
    with open(os.path.join(folder, "new")) as file:
        same("word\n", file.read(), "what came home")
    ask = bus.ask("run.release", run)
    again()
    same([], bus.wait(ask)[-1][1]["errors"], "errors")


def main():
    SERVICE.start()
    bus = PatientBus(SERVICE.bus)
    try:
        walk_run(bus, walk_key(bus))
        entries = [row["action"] for row in bus.call("activity.list", {
            "companyId": "acme", "runId": "r1", "limit": 100})["items"]]
        same(sorted(set(entries)), sorted(entries), "each entry of the run once")
        same(True, bus.sent_again > 4, "requests were sent again: %d" % bus.sent_again)
    finally:
        bus.call("bus.shutdown", {"release": True})
        SERVICE.process.wait(timeout=30)


main()

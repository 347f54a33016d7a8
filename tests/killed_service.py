#  killed_service.py - a berthd that is killed and started again, and a call that is asked until it is
#  answered, always under the same key.

import subprocess
import time

import msgpack

from foreign_bus import Bus, Failed, fail, same


class Service:
    """berthd on a state directory; `lives` counts its starts."""

    def __init__(self, program, state, log):
        self.program, self.state, self.log = program, state, log
        self.run = state + "/run"
        self.bus = "ipc://%s/bus.sock" % self.run
        self.process, self.lives = None, 0

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "--state", self.state, "--runtime", self.run, "--test-providers",
             "--local-root"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.lives += 1
        bus = Bus(self.bus)
        call(self, bus, "bus.ping", {})
        bus.close()

    def kill(self):
        self.process.kill()
        same(-9, self.process.wait(), "end of a killed berthd")

    def stop(self):
        self.process.terminate()
        same(0, self.process.wait(timeout=12), "end of a stopped berthd")


def call(service, bus, kind, body, key=None, patience=60):
    """Asks until there is an answer that is no invitation to try again."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        header = {"deadlineMs": 20000}
        if key:
            header["key"] = key
        life = service.lives
        number = bus.send(kind, body, **header)
        wait_until = time.monotonic() + 5
        while time.monotonic() < wait_until and service.lives == life:
            if not bus.socket.poll(20):
                continue
            frames = bus.socket.recv_multipart()
            head, reply = msgpack.unpackb(frames[0]), msgpack.unpackb(frames[1])
            if head["id"] != number:
                continue            # Of a try before
            if head["status"] == "ok":
                return reply
            if not reply["retryable"]:
                raise Failed(reply)
            break
    fail("%s %r: no answer for %d s" % (kind, body, patience))

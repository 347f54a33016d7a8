#  recorder.py - clients that ask without a second try, and write down what they asked, when, and
#  what came.

import random
import threading
import time

import msgpack

from foreign_bus import Bus, new_id
from linear import Op

COMPANY = "acme"
WAIT = 5            # Seconds for an answer; then its outcome is unknown
REFUSALS = ("conflict", "fenced", "not_found", "lease_acquire_failed")


class Unit:
    """An environment with a workspace: at most one holder. And what was seen of it."""

    def __init__(self, environment):
        self.environment, self.workspace = environment, new_id()
        self.ops = []
        self.lock = threading.Lock()
        self.known = []             # (lease, generation), as they were granted
        self.ghosts = []            # Acquires without an answer, by their mark

    def add(self, *ops):
        with self.lock:
            self.ops += ops

    def grant(self, lease, generation):
        with self.lock:
            self.known.append((lease, generation))


class Recorder(threading.Thread):
    def __init__(self, service, seed, units, quota):
        super().__init__(daemon=True)
        self.service, self.units, self.quota = service, units, quota
        self.random = random.Random(seed)
        self.bus = Bus(service.bus)
        self.error = None
        self.unknown = 0

    def run(self):
        try:
            while self.quota.take() and not self.service.over:
                self.turn(self.random.choice(self.units))
        except BaseException as error:      # Told to the main thread
            self.error = error

    # ---- one request, one try

    def ask(self, kind, body):
        """begin, end, ok | refused | None, body."""
        service, bus = self.service, self.bus
        while not service.up and not service.over:
            bus.socket.poll(2)
        life = service.lives
        begin = time.monotonic()
        number = bus.send(kind, body, key=new_id(), deadlineMs=4000)
        while time.monotonic() < begin + WAIT and service.lives == life:
            if not bus.socket.poll(5):
                continue
            frames = bus.socket.recv_multipart()
            end = time.monotonic()
            head, reply = msgpack.unpackb(frames[0]), msgpack.unpackb(frames[1])
            if head["id"] != number:
                continue
            if head["status"] == "ok":
                return begin, end, "ok", reply
            if reply["code"] in REFUSALS:
                return begin, end, "refused", reply
            if not reply["retryable"] and reply["code"] != "deadline_exceeded":
                raise AssertionError("%s %r: %r" % (kind, body, reply))
            break
        self.unknown += 1
        return begin, None, None, {}

    # ---- what is asked

    def turn(self, unit):
        chance = self.random.random()
        if not unit.known or chance < 0.35:
            self.acquire(unit)
            return
        #  Mostly the newest lease, whosever it is; at times one that is gone
        lease, generation = unit.known[-1] if self.random.random() < 0.8 \
            else self.random.choice(unit.known[-6:])
        if chance < 0.6:
            self.release(unit, lease)
            return
        if self.random.random() < 0.3:      # A stale holder that found out the new lease
            generation = self.random.choice(unit.known[-6:])[1]
        body = {"leaseId": lease, "generation": generation}
        if chance < 0.85 or not unit.environment.runs:
            what, body = "lease.renew", dict(body, ms=10 ** 7)
        else:
            what, body = "exec.start", dict(body, command="true")
        begin, end, result, reply = self.ask(what, body)
        unit.add(Op("use", begin, end, result, lease, generation, text=what + " " + reply.get("code", "")))

    def acquire(self, unit):
        mark = new_id()
        begin, end, result, reply = self.ask("lease.acquire", {
            "companyId": COMPANY, "environmentId": unit.environment.id,
            "executionWorkspaceId": unit.workspace, "metadata": {"mark": mark}})
        if result == "ok":
            unit.add(Op("acquire", begin, end, "ok", reply["id"], reply["generation"]))
            unit.grant(reply["id"], reply["generation"])
        elif result == "refused":
            unit.add(Op("acquire", begin, end, "refused", text=reply["code"]))
            if unit.ghosts and self.random.random() < 0.3:
                self.find(unit)
        else:
            with unit.lock:
                unit.ghosts.append((mark, begin))

    def find(self, unit):
        """Who holds it, when no answer told: that answer is late, but it came."""
        _, end, result, reply = self.ask("lease.list", {
            "companyId": COMPANY, "environmentId": unit.environment.id, "state": "active"})
        for row in reply["items"] if result == "ok" else []:
            mark = (row["metadata"] or {}).get("mark")
            with unit.lock:
                begin = next((begin for one, begin in unit.ghosts if one == mark), None)
                if begin is None:
                    continue
                unit.ghosts.remove((mark, begin))
            leaving = Op("leaving", begin, None, None, row["id"])       # Its deadline may have passed
            unit.add(Op("acquire", begin, end, "ok", row["id"], row["generation"]), leaving,
                     Op("left", begin, None, None, row["id"], after=leaving))
            unit.grant(row["id"], row["generation"])

    def release(self, unit, lease):
        begin, end, result, reply = self.ask("lease.release", {"leaseId": lease})
        if result == "refused":
            raise AssertionError("lease.release of %s: %r" % (lease, reply))
        leaving = Op("leaving", begin, end, result, lease)
        unit.add(leaving, Op("left", begin, end, result, lease, after=leaving))


class Quota:
    """So many turns in all."""

    def __init__(self, turns):
        self.turns, self.lock = turns, threading.Lock()

    def take(self):
        with self.lock:
            self.turns -= 1
            return self.turns >= 0

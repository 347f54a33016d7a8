#  clients.py - clients that acquire, renew, run and release under keys, and remember what was
#  acknowledged.

import random
import threading

from foreign_bus import Failed, new_id
from machine import Caller, Lost, Stopped

COMPANY = "acme"
SETTLED = ("released", "expired", "failed")
LINES = b"%07d of a line that must come home\n"
SCRIPT = 'i=0; while [ $i -lt %d ]; do printf "%%07d of a line that must come home\\n" $i; i=$((i+1)); done'


def lines(count):
    return b"".join(LINES % number for number in range(count))


class Lease:
    """What its client knows of it. Written by its client, read by the checks."""

    def __init__(self, row, unit):
        self.id, self.unit, self.generation = row["id"], unit, row["generation"]
        self.expires = row["expiresAt"]
        self.renewing = self.releasing = self.released = False
        self.hurt = False           # Its shim was killed: its place may be lost
        self.checked = False        # Settled, and seen so
        self.execs = []


class Exec:
    def __init__(self, id, lease, lines_wanted):
        self.id, self.lease, self.count = id, lease, lines_wanted
        self.read = 0               # Bytes that were answered
        self.ended = False          # It was answered as ended


class Units:
    """Who was told to hold what, across clients."""

    def __init__(self):
        self.lock = threading.Lock()
        self.holder = {}

    def acquired(self, unit, lease):
        with self.lock:
            other = self.holder.get(unit)
            if other and other is not lease and not other.releasing and not other.hurt:
                raise Lost("double", "unit %s has two holders: %s and %s" % (unit, other.id, lease.id))
            self.holder[unit] = lease


class Client(threading.Thread):
    def __init__(self, service, seed, scene, units):
        super().__init__(daemon=True)
        self.service, self.random = service, random.Random(seed)
        self.scene, self.units = scene, units
        self.caller = Caller(service)
        self.held, self.gone, self.runs = [], [], []
        self.refused = self.acknowledged = 0
        self.running, self.error = True, None

    def run(self):
        try:
            while self.running:
                self.turn()
        except Stopped:
            pass
        except BaseException as error:      # Told to the main thread
            self.error = error

    def ask(self, kind, body, key=None, data=None):
        reply = self.caller.ask(kind, body, key, data)
        self.acknowledged += 1
        return reply

    def turn(self):
        chance = self.random.random()
        if chance < 0.06:
            self.whole_run()
        elif not self.held or (chance < 0.30 and len(self.held) < 8):
            self.acquire()
        elif chance < 0.50:
            self.release(self.random.choice(self.held))
        elif chance < 0.65:
            self.renew(self.random.choice(self.held))
        else:
            self.work(self.random.choice(self.held))

    # ---- what it does

    def whole_run(self):
        """Acquire, realize, an exec, release; each under a key of its own."""
        run = {"companyId": COMPANY, "heartbeatRunId": new_id()}
        row = self.ask("run.acquire", dict(run, selectedEnvironmentId=self.scene.plain), new_id())["lease"]
        lease = Lease(row, None)
        self.runs.append(lease)         # For whoever kills shims
        try:
            body = dict(run, executionWorkspace={"cwd": self.scene.folder, "source": "task_session"})
            self.ask("run.realize", body, new_id())
            end = self.ask("exec.run", {"companyId": COMPANY, "leaseId": lease.id, "command": "cat",
                                        "args": ["file"]}, new_id())
            if (end["exec"]["cause"], end["stdout"]) != ("exited", b"content") and not lease.hurt:
                raise Lost("exec", "the exec of a run: %r" % end)
        except Failed as error:
            self.forgive(lease, "a run", error)
        lease.releasing = True
        reply = self.ask("run.release", run, new_id())
        if reply["errors"]:
            raise Lost("state", "a run was released with %r" % reply["errors"])
        lease.released = True
        self.runs.remove(lease)
        self.gone.append(lease)

    def acquire(self):
        environment = self.random.choices(self.scene.environments, self.scene.weights)[0]
        body = {"companyId": COMPANY, "environmentId": environment}
        unit = None
        if self.random.random() < 0.7:
            body["executionWorkspaceId"] = self.random.choice(self.scene.workspaces)
            unit = (environment, body["executionWorkspaceId"])
        key = new_id()
        try:
            row = self.ask("lease.acquire", body, key)
        except Failed as error:
            if error.code not in ("conflict", "lease_acquire_failed"):
                raise Lost("refusal", "lease.acquire: %s" % error)
            self.refused += 1
            return
        if row["state"] != "active":
            raise Lost("state", "an acquired lease %s is %s" % (row["id"], row["state"]))
        lease = Lease(row, unit)
        if unit:
            self.units.acquired(unit, lease)
        self.held.append(lease)
        if self.random.random() < 0.3:
            again = self.ask("lease.acquire", body, key)
            if again["id"] != lease.id:
                raise Lost("retry", "a retry got lease %s, not %s" % (again["id"], lease.id))

    def release(self, lease):
        lease.releasing = True
        row = self.ask("lease.release", {"leaseId": lease.id}, new_id())
        if row["state"] not in SETTLED:
            raise Lost("state", "a released lease %s is %s" % (lease.id, row["state"]))
        lease.released = True
        self.held.remove(lease)
        self.gone.append(lease)

    def renew(self, lease):
        lease.renewing = True
        try:
            row = self.ask("lease.renew", {"leaseId": lease.id, "generation": lease.generation,
                                           "ms": self.random.randrange(10 ** 6, 10 ** 7)}, new_id())
            lease.expires = row["expiresAt"]
        except Failed as error:
            self.forgive(lease, "lease.renew", error)
        lease.renewing = False

    def work(self, lease):
        if lease.execs and self.random.random() < 0.5:
            self.read(self.random.choice(lease.execs))
            return
        if len(lease.execs) >= 4:
            return
        count = self.random.choice((1, 30, 700))
        body = {"leaseId": lease.id, "execId": new_id(), "command": "sh", "args": ["-c", SCRIPT % count]}
        fed = self.random.random() < 0.3
        if fed:
            body.update(command="cat", args=[], stdin=True)
        exec = Exec(body["execId"], lease, count)
        try:
            self.ask("exec.start", body, new_id())
            lease.execs.append(exec)
            if fed:
                self.feed(exec)
            if self.random.random() < 0.5:
                self.wait(exec)
        except Failed as error:
            self.forgive(lease, "exec", error)

    def feed(self, exec):
        text, at = lines(exec.count), 0
        while at < len(text):       # Its end goes with the last bytes
            part = text[at:at + 6000]
            try:
                reply = self.ask("exec.write", {"execId": exec.id, "offset": at,
                                                "eof": at + len(part) == len(text)}, None, part)
            except Failed as error:
                if at + len(part) == len(text) and "has ended" in error.message:
                    return          # The end was accepted, and its answer lost: the output tells
                raise
            if reply["offset"] < at:
                raise Lost("stdin", "exec %s takes back what it accepted: %d, was %d" % (
                    exec.id, reply["offset"], at))
            at = reply["offset"]

    def wait(self, exec):
        row = self.ask("exec.wait", {"execId": exec.id})
        check_end(exec, row)
        exec.ended = True
        self.read(exec, whole=True)

    def read(self, exec, whole=False):
        read_on(self.caller, exec, whole)
        self.acknowledged += 1

    def forgive(self, lease, what, error):
        """A refusal is right if the place was lost by our hand."""
        if not lease.hurt:
            raise Lost("refusal", "%s of lease %s: %s" % (what, lease.id, error))


def check_end(exec, row):
    """The end of an exec is the true one."""
    if row["state"] != "ended":
        raise Lost("exec", "exec %s was waited for and is %s" % (exec.id, row["state"]))
    if row["cause"] == "exited" and row["exitCode"] == 0:
        return
    if not exec.lease.hurt and not exec.lease.releasing:
        raise Lost("exec", "exec %s of the healthy place of %s ended as %s %s: %s" % (
            exec.id, exec.lease.id, row["cause"], row["exitCode"], row["reason"]))


def read_on(caller, exec, whole=False):
    """Reads its output from the begin; what was answered before must be there again."""
    wanted = lines(exec.count)
    at = 0
    while True:
        reply, data, _ = caller.ask_data("exec.read", {"execId": exec.id, "stream": "stdout", "from": at})
        if data != wanted[at:at + len(data)]:
            raise Lost("output", "exec %s: other bytes at %d" % (exec.id, at))
        if reply.get("missing") or reply["offset"] != at:
            raise Lost("output", "exec %s: bytes are missing at %d" % (exec.id, at))
        at = reply["next"]
        if reply["eof"] or not data:
            break
    if at < exec.read:
        raise Lost("output", "exec %s: %d bytes of output, there were %d" % (exec.id, at, exec.read))
    exec.read = at
    if whole and not exec.lease.hurt and not exec.lease.releasing and at < len(wanted):
        raise Lost("output", "exec %s ended well with %d bytes of %d" % (exec.id, at, len(wanted)))

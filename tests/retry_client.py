#  retry_client.py - a retry is never a second time, also when berthd was killed in between.
#
#      retry_client.py BERTHD STATE rows          every request that writes, asked again and again
#      retry_client.py BERTHD STATE runs KILLS    whole runs, while berthd is killed
#
#  What a request did is read from the log of its company: each change of state has one entry there.
#  BERTH_SEED repeats a run.

import os
import random
import sys
import threading
import time
from collections import Counter

import zmq

from foreign_bus import Bus, Failed, fail, new_id, same, say
from killed_service import Service, call as call_service

BERTHD, STATE, MODE = sys.argv[1:4]
HERE = os.path.dirname(STATE)
SERVICE = Service(BERTHD, STATE, open(os.path.join(HERE, "berthd.log"), "ab"))
LARGE = "x" * 20000                 # An answer with it is larger than what a key keeps


def call(bus, kind, body, key=None):
    return call_service(SERVICE, bus, kind, body, key)


def log_of(bus, company):
    entries, after = [], 0
    while True:
        page = call(bus, "activity.list", {"companyId": company, "after": after, "limit": 1000})
        entries += page["items"]
        after = page["next"]
        if after >= page["head"]:
            return entries


# ---- what the requests are about: made anew for each, in a company of its own

class Scene:
    """A company with what a request needs; all of it made under keys too."""

    def __init__(self, bus):
        self.bus = bus
        self.company = "c" + new_id()[:8]
        self.folder = os.path.join(HERE, self.company)
        os.mkdir(self.folder)
        with open(os.path.join(self.folder, "file"), "w") as file:
            file.write("content")

    def ask(self, kind, body):
        return call(self.bus, kind, dict(body, companyId=self.company), new_id())

    def environment(self, **more):
        return self.ask("environment.create", dict(
            {"name": "box", "driver": "sandbox", "config": {"provider": "fault"}}, **more))["id"]

    def local(self):
        return self.environment(driver="local", config={}, name="host")

    def lease(self, **more):
        return self.ask("lease.acquire", dict({"environmentId": self.environment()}, **more))["id"]

    #  A place that its provider did not close.
    def left(self):
        environment = self.environment(config={
            "provider": "fault", "faults": [{"verb": "release", "do": "lie"}]})
        lease = self.ask("lease.acquire", {"environmentId": environment})
        self.ask("lease.release", {"leaseId": lease["id"]})
        return {"environmentId": environment, "providerLeaseId": lease["providerLeaseId"]}

    def workspace(self):
        return self.ask("workspace.create", {"name": "w"})["id"]

    def secret(self):
        return self.ask("secret.create", {"name": "token", "value": b"hidden"})["id"]

    #  A target and a path, where a secret is bound.
    def bound(self):
        at = {"targetType": "environment", "targetId": self.environment(), "configPath": "env.TOKEN"}
        self.ask("secret.bind", dict(at, secretId=self.secret()))
        return at

    def run(self, realize=False):
        run = {"heartbeatRunId": new_id()}
        acquired = self.ask("run.acquire", dict(run, selectedEnvironmentId=self.environment()))
        if realize:
            self.ask("run.realize", dict(run, executionWorkspace={"cwd": self.folder}))
        self.held = acquired["lease"]["id"]
        return run

    def principal(self):
        body = principal_body(self)
        call(self.bus, "key.new", body, new_id())
        return body["keyId"]

    def exec(self, lease, **more):
        return dict({"leaseId": lease, "command": "sh", "args": ["-c", "echo $WORD; cat"],
                     "env": {"WORD": "hello"}}, **more)


def principal_body(scene):
    public, _ = zmq.curve_keypair()
    return {"keyId": "k" + new_id(), "publicKey": public.decode(), "roles": ["platform"],
            "companies": [scene.company]}


def lease_open():
    return ["environment.lease_pending", "environment.lease_acquired"]


def lease_closed():
    return ["environment.lease_releasing", "environment.lease_released"]


def exec_ran():
    return ["exec.started", "exec.ended"]


#  Of each request that writes: what is made before, its body, and the entries that it appends,
#  once. `other`: what makes it another request (strict bodies know no other key). `rerun`: a test
#  is forgotten by a crash, and then made anew; what it held ends by itself. `log`: of the service, not
#  of the company.
class Row:
    def __init__(self, kind, body, entries, other=None, rerun=False, log=None):
        self.kind, self.body, self.entries, self.log = kind, body, entries, log
        self.other = other or {"anotherKey": 1}
        self.rerun = rerun


BOX = {"name": "box", "driver": "sandbox", "config": {"provider": "fault"}}
ROWS = [
    Row("environment.create", lambda s: BOX, ["environment.created"], {"name": "other"}),
    Row("environment.create", lambda s: dict(BOX, description="d", metadata={"m": LARGE}),
        ["environment.created"], {"name": "other"}),
    Row("environment.update", lambda s: {"environmentId": s.environment(), "name": "new"},
        ["environment.updated"], {"name": "other"}),
    Row("environment.delete", lambda s: {"environmentId": s.environment()}, ["environment.deleted"]),
    Row("environment.delete", lambda s: {"environmentId": s.ask("lease.acquire", {
        "environmentId": s.environment()})["environmentId"], "force": True},
        ["environment.updated", "environment.lease_releasing", "environment.deleted",
         "environment.lease_released"]),
    Row("environment.ensureLocal", lambda s: {}, ["environment.created"]),
    Row("environment.probe", lambda s: {"environmentId": s.environment()}, ["environment.probed"]),
    Row("environment.probeConfig", lambda s: {"driver": "sandbox", "config": {"provider": "fault"}},
        ["environment.probed_unsaved"], {"config": {"provider": "bubblewrap"}}),
    Row("environment.test", lambda s: {"environmentId": s.environment(), "commands": ["true"]},
        lease_open() + exec_ran() + lease_closed(), rerun=True),
    Row("environment.testEnd", lambda s: {"leaseId": s.ask("environment.test", {
        "environmentId": s.environment(), "hold": True})["leaseId"]}, lease_closed()),
    Row("workspace.create", lambda s: {"name": "w"}, ["execution_workspace.created"]),
    Row("workspace.update", lambda s: {"workspaceId": s.workspace(), "name": "new"},
        ["execution_workspace.updated"]),
    Row("workspace.return", lambda s: s.run(True) and {"leaseId": s.held}, ["workspace.returned"]),
    Row("workspace.discard", lambda s: s.run(True) and {"leaseId": s.held}, ["workspace.discarded"]),
    Row("lease.acquire", lambda s: {"environmentId": s.environment()}, lease_open()),
    Row("lease.acquire", lambda s: {"environmentId": s.environment(), "wait": False}, lease_open()),
    Row("lease.acquire", lambda s: {"environmentId": s.local()}, ["environment.lease_acquired"]),
    Row("lease.acquire", lambda s: {"environmentId": s.local(), "metadata": {"m": LARGE}},
        ["environment.lease_acquired"]),
    Row("lease.renew", lambda s: {"leaseId": s.lease(), "ms": 60000}, ["environment.lease_renewed"]),
    Row("lease.renew", lambda s: {"leaseId": s.lease(metadata={"m": LARGE}), "ms": 60000},
        ["environment.lease_renewed"]),
    Row("lease.release", lambda s: {"leaseId": s.lease()}, lease_closed()),
    Row("lease.release", lambda s: {"leaseId": s.lease(metadata={"m": LARGE})}, lease_closed()),
    Row("lease.releaseForRun", lambda s: s.run(), lease_closed()),
    Row("lease.resume", lambda s: {"leaseId": s.lease()}, ["environment.lease_resumed"]),
    Row("lease.destroy", lambda s: {"leaseId": s.lease()}, lease_closed()),
    Row("lease.adopt", lambda s: s.left(), lease_open()),
    Row("lease.updateMetadata", lambda s: {"leaseId": s.lease(), "metadata": {"m": LARGE}},
        ["environment.lease_metadata_updated"]),
    Row("run.acquire", lambda s: {"heartbeatRunId": "r", "selectedEnvironmentId": s.environment()},
        ["run.acquiring"] + lease_open() + ["run.acquired"]),
    Row("run.acquire", lambda s: {"heartbeatRunId": "r", "selectedEnvironmentId":
                                  s.environment(metadata={"m": LARGE})},
        ["run.acquiring"] + lease_open() + ["run.acquired"]),
    Row("run.realize", lambda s: dict(s.run(), executionWorkspace={"cwd": s.folder}),
        ["run.realizing", "workspace.realized", "run.ready"]),
    Row("run.release", lambda s: s.run(),
        ["run.releasing"] + lease_closed() + ["run.released"]),
    Row("run.heartbeat", lambda s: s.run(), []),
    Row("company.delete", lambda s: s.environment() and {},
        ["company.deleting", "environment.deleted", "company.deleted"]),
    Row("key.new", principal_body, ["key.created"], log="~service"),
    Row("key.grant", lambda s: {"keyId": s.principal(), "roles": ["observer"]}, ["key.granted"],
        log="~service"),
    Row("key.revoke", lambda s: {"keyId": s.principal()}, ["key.revoked"], log="~service"),
    # What is drained is let in again by the next row.
    Row("bus.drain", lambda s: s.ask("bus.undrain", {}) and {"reason": new_id()}, ["bus.drained"],
        log="~service"),
    Row("bus.undrain", lambda s: s.ask("bus.drain", {}) and {"reason": new_id()},
        ["bus.undrained"], log="~service"),
    Row("provider.pause", lambda s: s.ask("provider.unpause", {"provider": "fake"}) and {
        "provider": "fake", "reason": new_id()}, ["provider.paused"], log="~service"),
    Row("provider.unpause", lambda s: s.ask("provider.pause", {"provider": "fake"}) and {
        "provider": "fake", "reason": new_id()}, ["provider.unpaused"], log="~service"),
    Row("provider.sweep", lambda s: {"provider": "fault"}, []),
    Row("secret.create", lambda s: {"name": "token", "value": b"hidden"}, ["secret.created"]),
    Row("secret.update", lambda s: {"secretId": s.secret(), "name": "new"}, ["secret.updated"]),
    Row("secret.rotate", lambda s: {"secretId": s.secret(), "value": b"next"}, ["secret.rotated"]),
    Row("secret.delete", lambda s: {"secretId": s.secret()}, ["secret.deleted"]),
    Row("secret.bind", lambda s: {"secretId": s.secret(), "targetType": "environment",
                                  "targetId": s.environment(), "configPath": "env.TOKEN"},
        ["secret.bound"]),
    Row("secret.unbind", lambda s: s.bound(), ["secret.unbound"]),
    Row("secret.syncBindings", lambda s: {
        "targetType": "environment", "targetId": s.environment(),
        "bindings": [{"configPath": "env.TOKEN", "secretId": s.secret()}]}, ["secret.bound"]),
    Row("secret.rekey", lambda s: {}, []),
    Row("exec.start", lambda s: s.exec(s.lease()), exec_ran()),
    Row("exec.run", lambda s: s.exec(s.lease()), exec_ran()),
    Row("exec.run", lambda s: s.exec(s.lease(), args=["-c", "seq 20000"]), exec_ran()),
    Row("exec.start", lambda s: s.exec(s.ask("lease.acquire", {"environmentId": s.local()})["id"]),
        ["environment.lease_place_opened"] + exec_ran()),
]

#  What a row says of itself may have gone on since: all else of an answer is the same.
MOVES = {"state", "status", "startedAt", "endedAt", "pid", "exitCode", "cause", "stdoutBytes",
         "grantedMs", "updatedAt", "releasedAt", "cleanupStatus", "lastUsedAt", "now", "placeState",
         "deadlineMonoMs", "expiresAt", "signal", "timedOut", "shimSocket", "placeFolder", "attempts",
         "providerLeaseId", "metadata", "bootId", "endMonoMs", "changes", "changesCut", "added",
         "changed", "deleted", "conflicts", "refused", "bytes", "summary", "details"}


def steady(value):
    if isinstance(value, dict):
        return {key: steady(each) for key, each in value.items() if key not in MOVES}
    return [steady(each) for each in value] if isinstance(value, list) else value


class Case:
    """One row in one company."""

    def __init__(self, bus, row, what):
        self.row, self.scene = row, Scene(bus)
        self.what = "%s, %s" % (row.kind, what)
        self.body = dict(row.body(self.scene))
        schema = bus.protocol_of(row.kind)
        if "companyId" in schema:
            self.body["companyId"] = self.scene.company
        self.key = new_id()
        self.before = 0
        self.before = len(self.entries(bus))

    def entries(self, bus):
        entries = log_of(bus, self.row.log or self.scene.company)
        if self.row.log:
            entries = [entry for entry in entries if self.body.get("reason") and
                       self.body["reason"] == entry["details"].get("reason")
                       or entry["entityId"] == self.body.get("keyId")]
        return [entry["action"] for entry in entries[self.before:]]

    def settled(self, bus):
        """The log, once it has what the request appends; never more."""
        wanted, until = Counter(self.row.entries), time.monotonic() + 60
        while True:
            entries = self.entries(bus)
            if not wanted - Counter(entries):
                break
            if time.monotonic() > until:
                fail("%s: %r never came; there is %r" % (self.what, self.row.entries, entries))
            bus.socket.poll(20)
        self.check(bus)

    def check(self, bus):
        same(sorted(self.row.entries), sorted(self.entries(bus)), self.what)

    def lose_answer(self):
        """Asks, and is gone before the answer is there."""
        bus = Bus(SERVICE.bus)
        bus.send(self.row.kind, self.body, key=self.key, deadlineMs=20000)
        bus.socket.linger = 1000
        bus.close()

    def ask(self, bus):
        return call(bus, self.row.kind, self.body, self.key)

    def refuse_other(self, bus):
        try:
            call(bus, self.row.kind, dict(self.body, **self.row.other), self.key)
        except Failed as error:
            same("conflict", error.code, self.what + ": another body")
            return
        fail(self.what + ": another body under the same key was taken")


class TableBus(Bus):
    """Knows which fields a request has."""

    def learn(self):
        body = call(self, "bus.describe", {})
        self.requests = {row["type"]: row for row in body["requests"]}
        self.fields = {row["name"]: {field["name"] for field in row["fields"]}
                       for row in body["schemas"]}

    def protocol_of(self, kind):
        return self.fields[self.requests[kind]["request"]]


def check_table(bus):
    writes = {kind for kind, row in bus.requests.items() if row["writes"]}
    same(writes, {row.kind for row in ROWS}, "requests that write, and rows of this table")


def rows(bus, chance):
    bus.learn()
    check_table(bus)
    cases = []
    say("%d requests, each asked three times; the first answer is lost" % len(ROWS))
    for row in ROWS:
        case = Case(bus, row, "answer lost")
        case.lose_answer()
        second = case.ask(bus)
        third = case.ask(bus)
        same(steady(second), steady(third), case.what + ": the answer")
        case.settled(bus)
        case.refuse_other(bus)
        cases.append((case, second))

    say("the same answers from the next process")
    SERVICE.kill()
    SERVICE.start()
    for case, second in cases:
        same(steady(second), steady(case.ask(bus)), case.what + ": the answer after a restart")
        case.refuse_other(bus)
        case.check(bus)

    say("killed in the middle of each, at three moments")
    for row in ROWS:
        for moment in range(3):
            if row.rerun:
                continue
            case = Case(bus, row, "killed, %d" % moment)
            bus.send(row.kind, case.body, key=case.key)
            bus.socket.poll(chance.choice((0, 1, 3, 8)) if moment else 0)
            SERVICE.kill()
            SERVICE.start()
            first = case.ask(bus)
            case.settled(bus)
            same(steady(first), steady(case.ask(bus)), case.what + ": the answer")
            cases.append((case, first))
    say("nothing has come behind")
    for case, _ in cases:
        case.check(bus)


# ---- whole runs

RUN = (["run.acquiring"] + lease_open() + ["run.acquired", "run.realizing", "workspace.realized",
       "run.ready"] + exec_ran() + ["workspace.returned", "run.releasing"] + lease_closed()
       + ["run.released"])


class Client(threading.Thread):
    def __init__(self, company, environment):
        super().__init__()
        self.bus = Bus(SERVICE.bus)
        self.company, self.environment = company, environment
        self.running, self.error, self.runs = True, None, []

    def run(self):
        try:
            while self.running:
                self.whole_run()
        except BaseException as error:      # Told to the main thread, which fails
            self.error = error

    def ask(self, kind, body):
        return call(self.bus, kind, body, new_id())

    def whole_run(self):
        name = new_id()
        folder = os.path.join(HERE, "w" + name)
        os.mkdir(folder)
        with open(os.path.join(folder, "file"), "w") as file:
            file.write("content")
        run = {"companyId": self.company, "heartbeatRunId": name}
        lease = self.ask("run.acquire", dict(run, selectedEnvironmentId=self.environment))["lease"]
        self.ask("run.realize", dict(run, executionWorkspace={"cwd": folder}))
        started = self.ask("exec.start", {
            "leaseId": lease["id"], "generation": lease["generation"],
            "script": "cat file; printf %s \"$WORD\" >new; echo once >>count; exit 7",
            "env": {"WORD": name}})
        end = call(self.bus, "exec.wait", {"execId": started["id"]})
        same(("exited", 7), (end["cause"], end["exitCode"]), "the end of an exec: %r" % end)
        same(7, end["stdoutBytes"], "what it wrote")
        home = self.ask("workspace.return", {"leaseId": lease["id"]})
        same(0, home["conflicts"], "conflicts")
        reply = self.ask("run.release", run)
        same([], reply["errors"], "errors of a release")
        same([lease["id"]], [row["id"] for row in reply["released"]], "what was released")
        for path, wanted in (("new", name), ("count", "once\n")):
            with open(os.path.join(folder, path)) as file:
                same(wanted, file.read(), path)
        self.runs.append((name, lease["id"], started["id"]))


def check_run(bus, company, entries, name, lease, exec_id):
    same(sorted(RUN), sorted(entry["action"] for entry in entries), "the log of run %s" % name)
    leases = call(bus, "lease.list", {"companyId": company, "heartbeatRunId": name})["items"]
    same([(lease, "released")], [(row["id"], row["state"]) for row in leases], "its leases")
    execs = call(bus, "exec.list", {"companyId": company, "leaseId": lease})["items"]
    same([(exec_id, "exited")], [(row["id"], row["cause"]) for row in execs], "its execs")
    same("released", call(bus, "run.get", {"companyId": company, "heartbeatRunId": name})["state"],
         "its state")


def runs(bus, chance, kills):
    company = "acme"
    environment = call(bus, "environment.create", dict(BOX, companyId=company), new_id())["id"]
    clients = [Client(company, environment) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        for _ in range(kills):
            bus.socket.poll(int(chance.uniform(10, 500)))
            SERVICE.kill()
            SERVICE.start()
            if any(client.error for client in clients):
                break
    finally:
        for client in clients:
            client.running = False
        for client in clients:
            client.join()
    for client in clients:
        if client.error:
            raise client.error
    by_run = {}
    for entry in log_of(bus, company):
        by_run.setdefault(entry["runId"], []).append(entry)
    done = [each for client in clients for each in client.runs]
    for name, lease, exec_id in done:
        check_run(bus, company, by_run[name], name, lease, exec_id)
    same([], [name for name in os.listdir(os.path.join(STATE, "places")) if len(name) == 36], "places")
    if len(done) < kills / 2:
        fail("only %d runs" % len(done))
    say("%d kills, %d runs, each once" % (kills, len(done)))


def main():
    seed = int(os.environ.get("BERTH_SEED", random.randrange(1 << 30)))
    say("BERTH_SEED=%d" % seed)
    chance = random.Random(seed)
    SERVICE.start()
    bus = TableBus(SERVICE.bus)
    try:
        if MODE == "rows":
            rows(bus, chance)
        else:
            runs(bus, chance, int(sys.argv[4]))
    except BaseException:
        call(bus, "bus.shutdown", {"release": True})
        raise
    call(bus, "bus.shutdown", {"release": True})
    same(0, SERVICE.process.wait(timeout=30), "end of berthd")


main()

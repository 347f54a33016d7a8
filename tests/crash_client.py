#  crash_client.py - clients that retry against a berthd that is killed again and again: what was
#  acknowledged stays, the log has no gap, no place is without a row, no workspace has two holders.
#
#  crash_client.py BERTHD STATE KILLS; BERTH_SEED repeats a run

import os
import random
import sys
import threading
import time

from foreign_bus import Bus, Failed, Follower, Protocol, fail, new_id, same, say
from killed_service import Service, call as call_service

BERTHD, STATE, KILLS = sys.argv[1], sys.argv[2], int(sys.argv[3])
RUN = os.path.join(STATE, "run")
COMPANY = "acme"
WORK = os.path.join(os.path.dirname(STATE), "work")
SETTLED = ("released", "expired", "failed")
LOG = open(os.path.join(os.path.dirname(STATE), "berthd.log"), "ab")
SERVICE = Service(BERTHD, STATE, LOG)


def call(*ask):
    return call_service(SERVICE, *ask)


# ---- clients

class Client(threading.Thread):
    """Acquires and releases under keys, and remembers what it was told."""

    def __init__(self, seed, environments, workspaces):
        super().__init__()
        self.random = random.Random(seed)
        self.environments, self.workspaces = environments, workspaces
        self.bus = Bus("ipc://%s/bus.sock" % RUN)
        self.held, self.released, self.refused, self.runs = {}, [], 0, 0
        self.running = True
        self.error = None

    def run(self):
        try:
            while self.running:
                self.turn()
        except BaseException as error:      # Told to the main thread, which fails
            self.error = error

    def turn_run(self):
        """A whole run: acquire, realize, an exec, release; each under a key of its own."""
        run = {"companyId": COMPANY, "heartbeatRunId": new_id()}
        row = call(self.bus, "run.acquire", dict(run, selectedEnvironmentId=self.environments[0]),
                   new_id())
        lease = row["lease"]["id"]
        body = dict(run, executionWorkspace={"cwd": WORK, "source": "task_session"})
        key = new_id()
        row = call(self.bus, "run.realize", body, key)
        record = row["workspaceRealization"]
        same(record, call(self.bus, "run.realize", body, key)["workspaceRealization"],
             "the record of a retry")
        end = call(self.bus, "exec.run", {"companyId": COMPANY, "leaseId": lease,
                                          "command": "cat", "args": ["file"]}, new_id())
        same("exited", end["exec"]["cause"], "how the exec of a run ended: %r" % end)
        same(b"content", end["stdout"], "what it wrote: %r" % end)
        same(0, end["exec"]["exitCode"], "its end")
        reply = call(self.bus, "run.release", run, new_id())
        same([], reply["errors"], "errors of a release")
        row = call(self.bus, "lease.get", {"leaseId": lease})
        if row["state"] not in SETTLED:
            fail("the run was released, it says, but its lease %s is %s" % (lease, row["state"]))
        self.released.append(lease)
        self.runs += 1

    def turn(self):
        if self.random.random() < 0.25:
            self.turn_run()
            return
        if self.held and self.random.random() < 0.5:
            lease = self.random.choice(sorted(self.held))
            row = call(self.bus, "lease.release", {"leaseId": lease}, new_id())
            if row["state"] not in SETTLED:
                fail("released, it says, but %s is %s" % (lease, row["state"]))
            del self.held[lease]
            self.released.append(lease)
            return
        body = {"companyId": COMPANY, "environmentId": self.random.choice(self.environments)}
        if self.random.random() < 0.7:
            body["executionWorkspaceId"] = self.random.choice(self.workspaces)
        key = new_id()
        try:
            row = call(self.bus, "lease.acquire", body, key)
        except Failed as error:
            same("conflict", error.code, "refusal of %r: %s" % (body, error.message))
            self.refused += 1
            return
        same("active", row["state"], "state of an acquired lease")
        self.held[row["id"]] = key
        again = call(self.bus, "lease.acquire", body, key)
        same(row["id"], again["id"], "the lease of a retry")


# ---- what must be true after every crash

def leases_of(bus):
    items, cursor = [], None
    while True:
        page = call(bus, "lease.list", {"companyId": COMPANY, "limit": 1000, "cursor": cursor})
        items += page["items"]
        cursor = page.get("nextCursor")
        if not cursor:
            return items


def check_holders(bus, workspaces):
    for workspace in workspaces:
        holders = {}
        for row in leases_of(bus):
            if row.get("executionWorkspaceId") == workspace and row["state"] not in SETTLED:
                holders.setdefault(row["environmentId"], []).append(row["id"])
        for environment, ids in holders.items():
            same(1, len(ids), "holders of workspace %s" % workspace)


def check_places(bus):
    for name in os.listdir(os.path.join(STATE, "places")):
        if len(name) == 36:
            try:
                call(bus, "lease.get", {"leaseId": name})
            except Failed as error:
                fail("a place without a row: %s (%s)" % (name, error.message))


def check_log(bus, follower):
    follower.repair()
    head = call(bus, "activity.head", {"companyId": COMPANY})
    if follower.last < head["companySeq"]:
        follower.repair()
    changes = {}
    for entry, _ in follower.entries:
        if entry["action"].startswith("environment.lease_"):
            changes.setdefault(entry["entityId"], []).append(entry["action"].split("lease_")[1])
    for lease, actions in changes.items():
        for once in ("pending", "acquired", "releasing", "released"):
            if actions.count(once) > 1:
                fail("lease %s was %s twice: %s" % (lease, once, actions))


def check_clients(bus, clients):
    for client in clients:
        if client.error:
            raise client.error
        for lease in sorted(client.held):
            row = call(bus, "lease.get", {"leaseId": lease})
            if lease in client.held and row["state"] not in ("active", "releasing") + SETTLED:
                fail("an acquired lease is %s" % row["state"])
        for lease in client.released[-20:]:
            row = call(bus, "lease.get", {"leaseId": lease})
            if row["state"] not in SETTLED:
                fail("a released lease is %s" % row["state"])


def settle(bus):
    """Waits until nothing is on its way."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        moving = [row for row in leases_of(bus) if row["state"] in ("pending", "releasing", "cleanup")]
        if not moving:
            return
        bus.socket.poll(50)
    fail("leases that do not settle: %r" % [(row["id"], row["state"]) for row in moving])


def main():
    seed = int(os.environ.get("BERTH_SEED", random.randrange(1 << 30)))
    say("BERTH_SEED=%d" % seed)
    chance = random.Random(seed)
    os.mkdir(WORK)
    with open(os.path.join(WORK, "file"), "w") as file:
        file.write("content")
    service = SERVICE
    service.start()
    bus = Bus("ipc://%s/bus.sock" % RUN, None)
    protocol = Protocol(call(bus, "bus.describe", {}))
    reader = Bus("ipc://%s/bus.sock" % RUN, protocol)
    follower = Follower(reader, None, COMPANY)
    make = lambda body: call(bus, "environment.create", dict(body, companyId=COMPANY), new_id())["id"]
    environments = [
        make({"name": "here", "driver": "sandbox", "config": {"provider": "fault"}}),
        make({"name": "slow", "driver": "sandbox", "config": {
            "provider": "fault", "faults": [{"verb": "acquire", "do": "slow", "ms": 150}]}}),
        make({"name": "host", "driver": "local"}),
    ]
    workspaces = [new_id() for _ in range(2)]
    clients = [Client(chance.random(), environments, workspaces) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        for kill in range(KILLS):
            bus.socket.poll(int(chance.uniform(20, 700)))
            service.kill()
            service.start()
            check_clients(bus, clients)
            check_places(bus)
            check_holders(bus, workspaces)
            check_log(bus, follower)
    finally:
        for client in clients:
            client.running = False
        for client in clients:
            client.join()
    settle(bus)
    held = {lease for client in clients for lease in client.held}
    for row in leases_of(bus):
        if row["id"] in held:
            same("active", row["state"], "state of a lease that somebody holds")
        elif row["state"] == "active":
            fail("lease %s is active, and nobody was told of it" % row["id"])
    check_clients(bus, clients)
    for client in clients:
        for lease in sorted(client.held):
            call(bus, "lease.release", {"leaseId": lease}, new_id())
    settle(bus)
    check_log(bus, follower)
    same([], [name for name in os.listdir(os.path.join(STATE, "places")) if len(name) == 36], "places")
    say("%d kills, %d runs, %d leases, %d refused, %d entries" % (
        KILLS, sum(client.runs for client in clients),
        sum(len(client.released) + len(client.held) for client in clients),
        sum(client.refused for client in clients), follower.last))
    service.stop()


main()

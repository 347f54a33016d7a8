#  checks.py - what must be true after each restart, and at the end of a season.

import time

from clients import COMPANY, SETTLED, check_end, read_on
from foreign_bus import Failed, ZEROS, chained, raw_items
from machine import Lost

import msgpack

ORDER = {"pending": 0, "acquired": 1, "releasing": 2, "released": 3}     # Released: or expired, or failed


class Log:
    """The activity of the company, entry by entry: no gap, no fork, each step of a lease once."""

    def __init__(self, caller):
        self.caller = caller
        self.last, self.seq, self.hash = 0, 0, ZEROS
        self.steps = {}             # Of each lease, in order

    def read(self):
        while True:
            page, _, raw = self.caller.ask_data("activity.list", {
                "companyId": COMPANY, "after": self.last, "limit": 1000})
            if "gap" in page:
                raise Lost("activity", "entries are gone: %r" % page["gap"])
            if page["head"] < self.last:
                raise Lost("activity", "the log ends at %d, it had %d entries" % (page["head"], self.last))
            for packed in raw_items(raw):
                self.take(packed)
            if page["next"] >= page["head"]:
                return

    def take(self, packed):
        entry = msgpack.unpackb(packed)
        if entry["companySeq"] != self.last + 1 or entry["seq"] <= self.seq:
            raise Lost("activity", "entry %d behind %d" % (entry["companySeq"], self.last))
        try:
            right = chained(self.hash, packed) == entry["hash"]
        except AssertionError:
            right = False
        if not right:
            raise Lost("activity", "entry %d does not fit the one before it" % entry["companySeq"])
        self.last, self.seq, self.hash = entry["companySeq"], entry["seq"], entry["hash"]
        step = entry["action"].partition("environment.lease_")[2]
        if step in ORDER:
            steps = self.steps.setdefault(entry["entityId"], [])
            if steps and ORDER[step] <= ORDER[steps[-1]]:
                raise Lost("activity", "lease %s is %s behind %s" % (entry["entityId"], step, steps))
            steps.append(step)


class Checks:
    def __init__(self, service, caller, clients):
        self.service, self.caller, self.clients = service, caller, clients
        self.log = Log(caller)
        self.checked = 0

    def raise_errors(self):
        for client in self.clients:
            if client.error:
                raise client.error

    def rows(self, state=None):
        items, cursor = [], None
        while True:
            body = {"companyId": COMPANY, "limit": 1000, "cursor": cursor}
            if state:
                body["state"] = state
            page = self.caller.ask("lease.list", body)
            items += page["items"]
            cursor = page.get("nextCursor")
            if not cursor:
                return items

    # ---- after each restart

    def restarted(self):
        self.raise_errors()
        self.leases()
        self.holders()
        self.places()
        self.log.read()
        report = self.caller.ask("store.check", {})
        if not report["ok"]:
            raise Lost("store", "store.check finds %r" % report["findings"][:3])
        self.raise_errors()

    def leases(self):
        for client in self.clients:
            for lease in client.held[:] + client.gone[-10:]:
                if not lease.checked:
                    self.lease(lease)

    def lease(self, lease):
        released, renewing, expires = lease.released, lease.renewing, lease.expires
        try:
            row = self.caller.ask("lease.get", {"leaseId": lease.id})
        except Failed as error:
            raise Lost("lost", "lease %s was acknowledged, and now: %s" % (lease.id, error))
        self.checked += 1
        if row["generation"] != lease.generation:
            raise Lost("lost", "generation of lease %s" % lease.id)
        if released and row["state"] not in SETTLED:
            raise Lost("lost", "lease %s was released, and is %s" % (lease.id, row["state"]))
        if not lease.releasing and not lease.hurt:
            if row["state"] != "active":
                raise Lost("lost", "lease %s is held, and is %s: %s" % (
                    lease.id, row["state"], row["failureReason"]))
            if not renewing and lease.expires == expires and row["expiresAt"] != expires \
                    and not lease.renewing:
                raise Lost("lost", "lease %s was renewed until %d, and ends at %d" % (
                    lease.id, expires, row["expiresAt"]))
        lease.checked = row["state"] in SETTLED

    def holders(self):
        units = {}
        for state in ("pending", "active", "releasing", "cleanup"):
            for row in self.rows(state):
                if row["executionWorkspaceId"]:
                    unit = (row["environmentId"], row["executionWorkspaceId"])
                    units.setdefault(unit, {})[row["id"]] = row["state"]
        for unit, rows in units.items():
            #  They were read one state after the other: ask again, who is still there
            if len(rows) > 1:
                now = [id for id in rows
                       if self.caller.ask("lease.get", {"leaseId": id})["state"] not in SETTLED]
                again = [id for id in now
                         if self.caller.ask("lease.get", {"leaseId": id})["state"] not in SETTLED]
                if len(again) > 1:
                    raise Lost("double", "unit %s has the leases %s" % (unit, again))

    def places(self):
        """No place and no shim without a row."""
        for name in self.service.places() | set(self.service.shims()):
            try:
                self.caller.ask("lease.get", {"leaseId": name})
            except Failed as error:
                raise Lost("place", "place %s has no row: %s" % (name, error))

    # ---- at the end of a season: nothing moves any more

    def finished(self):
        self.raise_errors()
        self.settle()
        for client in self.clients:
            for lease in client.held + client.gone:
                self.lease(lease)
                for exec in lease.execs:
                    self.exec(exec)
        held = {lease.id: lease for client in self.clients for lease in client.held}
        known = {lease.id for client in self.clients for lease in client.gone} | set(held)
        for row in self.rows():
            if row["state"] == "active" and row["id"] not in held:
                raise Lost("leak", "lease %s is active, and nobody was told of it" % row["id"])
            if row["state"] in SETTLED and row["id"] in held and not held[row["id"]].hurt:
                raise Lost("lost", "lease %s is held, and is %s" % (row["id"], row["state"]))
        for id in held:
            self.caller.ask("lease.release", {"leaseId": id}, id)
        self.settle()
        self.log.read()
        for row in self.rows():
            steps = self.log.steps.get(row["id"])
            if row["state"] not in SETTLED or not steps or steps[-1] != "released":
                raise Lost("activity", "lease %s is %s, the log says %s" % (row["id"], row["state"], steps))
        after = 0
        while True:
            said = self.caller.ask("activity.verify", {"companyId": COMPANY, "after": after})
            if not said["ok"]:
                raise Lost("activity", "activity.verify: %r" % said)
            after = said["next"]
            if after >= said["head"]:
                break
        report = self.caller.ask("store.check", {})
        if not report["ok"]:
            raise Lost("store", "store.check finds %r" % report["findings"][:3])

    def exec(self, exec):
        """Its row is there, its end is the true one, and all of its output."""
        try:
            row = self.caller.ask("exec.wait", {"execId": exec.id})
        except Failed as error:
            raise Lost("lost", "exec %s was started, and now: %s" % (exec.id, error))
        check_end(exec, row)
        read_on(self.caller, exec, row["cause"] == "exited")
        if row["stdoutBytes"] != exec.read and not exec.lease.hurt:
            raise Lost("output", "exec %s has %d bytes, its row says %d" % (
                exec.id, exec.read, row["stdoutBytes"]))
        self.checked += 1

    def settle(self):
        until = time.monotonic() + 60
        while True:
            moving = [(row["id"], row["state"], row["failureReason"])
                      for state in ("pending", "releasing", "cleanup") for row in self.rows(state)]
            if not moving:
                return
            if time.monotonic() > until:
                raise Lost("stuck", "leases that do not settle: %r" % moving[:5])
            self.caller.bus.socket.poll(20)

    def nothing_left(self):
        """Behind the stop: what is made in advance for the next place is gone, too. A shim that is on its
        way out may take long on a busy machine; what nobody is left to remove may not."""
        begun = time.monotonic()
        while True:
            left = (self.service.places(), sorted(self.service.processes()), self.service.cgroups())
            if not any(left):
                return
            if time.monotonic() > begun + (60 if left[1] else 10):
                left += ([self.service.portrait(pid) for pid in left[1]],)
                raise Lost("leak", "places, processes, cgroups are left: %r" % (left,))
            self.caller.bus.socket.poll(20)

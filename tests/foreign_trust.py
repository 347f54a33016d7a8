#!/usr/bin/python3
"""foreign_trust.py - strangers over TCP, who know only messages/README.md.

    foreign_trust.py RUNTIME FOLDER     the service's sockets; where keys `ann`, `bob`, `eve` lie

ann works for acme, bob for globex, eve looks at acme. Every request that the service describes is
asked by ann about globex: what comes must be what comes about something that is not there.
"""

import copy
import json
import os
import re
import sys
import time
import uuid

import msgpack
import zmq
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

PATIENCE = 20
context = zmq.Context.instance()


def fail(text):
    sys.exit("foreign_trust: " + text)


def same(expected, actual, what):
    if expected != actual:
        fail("%s: expected %r, got %r" % (what, expected, actual))


class Refused(Exception):
    def __init__(self, body):
        Exception.__init__(self, "%s: %s" % (body["code"], body["message"]))
        self.code = body["code"]


class Bus:
    count = 0

    def __init__(self, endpoint, keys=None, server=None, identity=None):
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        if identity:
            self.socket.identity = identity
        if keys:
            self.socket.curve_publickey, self.socket.curve_secretkey = keys
            self.socket.curve_serverkey = server
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self.socket.connect(endpoint)

    def send(self, kind, body, **header):
        Bus.count += 1
        header.update(v=1, id=str(Bus.count), type=kind)
        self.socket.send_multipart([msgpack.packb(header), msgpack.packb(body)])
        return header["id"]

    def receive(self, number):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if not self.socket.poll(1000):
                continue
            frames = self.socket.recv_multipart()
            header = msgpack.unpackb(frames[0])
            if header["id"] == number:
                return header["status"], msgpack.unpackb(frames[1]), frames[2:]
        fail("no answer to request %s" % number)

    def ask(self, kind, body=None, **header):
        status, body, _ = self.receive(self.send(kind, body or {}, **header))
        if status == "error":
            raise Refused(body)
        return body

    def refused(self, code, kind, body=None, **header):
        try:
            answer = self.ask(kind, body, **header)
        except Refused as refused:
            same(code, refused.code, "code of %s %r" % (kind, body))
            return
        fail("%s %r was answered: %.200r" % (kind, body, answer))

    def event(self, wanted):
        """Waits for an event of the connection."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.monitor.poll(1000) and recv_monitor_message(self.monitor)["event"] == wanted:
                return
        fail("the connection did not %s" % zmq.Event(wanted).name)


class Follower:
    def __init__(self, endpoint, keys, server, topics, kind=zmq.SUB):
        self.socket = context.socket(kind)
        self.socket.linger = 0
        if keys:
            self.socket.curve_publickey, self.socket.curve_secretkey = keys
            self.socket.curve_serverkey = server
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.socket.connect(endpoint)
        for topic in topics:
            self.socket.subscribe(topic.encode())

    def hear_until(self, wanted):
        """The topics up to the one that is waited for."""
        heard, until = [], time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.socket.poll(1000):
                heard.append(self.socket.recv_multipart()[0].decode())
                if heard[-1] == wanted:
                    return heard
        fail("%s was not heard, but %r" % (wanted, heard))


# ---- every request

def rows_of(root, company):
    """Something of each kind, in a company."""
    ids = {}
    ids["environmentId"] = root.ask("environment.create", {
        "companyId": company, "name": "secret-" + company, "driver": "sandbox",
        "config": {"provider": "bubblewrap"}})["id"]
    lease = root.ask("lease.acquire", {"companyId": company, "environmentId": ids["environmentId"],
                                       "heartbeatRunId": "run-" + company})
    ids["leaseId"] = lease["id"]
    workspace = root.ask("workspace.create", {"companyId": company, "name": "secret-" + company})
    ids["workspaceId"] = ids["executionWorkspaceId"] = workspace["id"]
    ids["derivedFromExecutionWorkspaceId"] = workspace["id"]
    ids["selectedEnvironmentId"] = ids["defaultEnvironmentId"] = ids["environmentId"]
    ids["execId"] = root.ask("exec.run", {"leaseId": ids["leaseId"], "script": "echo secret-" + company})["exec"]["id"]
    root.ask("run.acquire", {"companyId": company, "heartbeatRunId": "held-" + company,
                             "selectedEnvironmentId": ids["environmentId"]})
    ids["heartbeatRunId"] = ids["runId"] = "held-" + company
    return ids


def absent(ids):
    return {name: str(uuid.uuid4()) if len(value) == 36 else "held-nobody" for name, value in ids.items()}


VALUES = {"bool": False, "u64": 1, "i64": 1, "f64": 1.0, "str": "x", "bytes": b"/x", "time": 1, "any": {},
          "list of str": [], "list of bytes": [], "list": []}


def filled(schemas, name, ids, optional, company):
    """A body of that schema which names the given rows."""
    body = {}
    for field in schemas[name]["fields"]:
        kind, key = field["kind"].split(" (")[0], field["name"]
        if key == "companyId":
            if company:
                body[key] = company
        elif key in ids:
            body[key] = ids[key]
        elif field["presence"] != "required" and key not in optional:
            continue
        elif key == "id" and kind == "id":
            body[key] = str(uuid.uuid4())
        elif kind == "enum":
            body[key] = field["values"][0]
        elif kind == "obj":
            body[key] = filled(schemas, field["of"], ids, optional, None)
        elif kind == "id":
            body[key] = ids["environmentId"]
        else:
            body[key] = VALUES[kind]
    return body


#   What cannot be filled in by kind alone.
SPECIAL = {
    "exec.start": {"command": b"true"}, "exec.run": {"command": b"true"},
    "provider.get": {"provider": "bubblewrap"}, "provider.probe": {"provider": "bubblewrap"},
    "provider.validateConfig": {"provider": "bubblewrap"},
    "provider.reuseMatch": {"config": {}, "leases": []},
    "provider.configFromLease": {"provider": "fake", "metadata": {"provider": "fake"}},
    "environment.create": {"driver": "sandbox", "config": {"provider": "bubblewrap"}},
    "environment.validate": {"driver": "sandbox", "config": {"provider": "bubblewrap"}},
    "environment.probeConfig": {"driver": "sandbox", "config": {"provider": "bubblewrap"}},
    "lease.release": {"status": "released"}, "lease.releaseForRun": {"status": "released"},
    "run.release": {"status": "released"},
}


def plain(answer, ids):
    """An answer without the ids that were asked for, and without what differs each time."""
    text = json.dumps(answer, default=repr, sort_keys=True)
    for value in set(ids.values()):
        text = text.replace(value, "ID")
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+", "N", text)


def answer_of(bus, kind, body):
    try:
        return bus.ask(kind, body, deadlineMs=15000)
    except Refused as refused:
        return str(refused)


def every_request(root, ann):
    description = ann.ask("bus.describe")
    schemas = {schema["name"]: schema for schema in description["schemas"]}
    theirs, nobodys = rows_of(root, "globex"), None
    mine = rows_of(root, "acme")
    refused_by_role, looked_at = 0, 0
    for request in description["requests"]:
        kind = request["type"]
        if kind.startswith("stream.") or kind == "bus.ping":
            continue
        nobodys = absent(theirs)
        fields = {field["name"]: field for field in schemas[request["request"]]["fields"]}
        #   Their company by its name; mine with their rows; their rows alone.
        ways = [("globex", "nowhere")] if "companyId" in fields else []
        ways += [("acme", "acme")] if "companyId" in fields else []
        if kind == "secret.create":         # Names no row; a second of one name is a conflict
            ways = ways[:1]
        ways += [(None, None)] if fields.get("companyId", {}).get("presence") != "required" else []
        for company, other in ways:
            for optional in [(), ("selection",)] if "selection" in fields else [()]:
                bodies = []
                for ids, of in ((theirs, company), (nobodys, other)):
                    body = filled(schemas, request["request"], ids, optional, of)
                    body.update(copy.deepcopy(SPECIAL.get(kind, {})))
                    bodies.append(body)
                answers = [answer_of(ann, kind, body) for body in bodies]
                if "forbidden" in str(answers[0])[:10]:
                    refused_by_role += 1
                looked_at += 1
                if isinstance(answers[0], str) and answers[0].startswith("invalid_request"):
                    fail("%s is not covered: %s (%r)" % (kind, answers[0], bodies[0]))
                texts = [plain(answer, rows).replace("globex", "COMPANY").replace("nowhere", "COMPANY")
                         for answer, rows in zip(answers, (theirs, nobodys))]
                if kind in ("bus.stats", "bus.info"):
                    texts = ["", ""]
                same(texts[1], texts[0], "%s about another company (%r)" % (kind, bodies[0]))
                if "secret-globex" in json.dumps(answers[0], default=repr):
                    fail("%s tells of another company: %r" % (kind, answers[0]))
                if company == "globex" and "not_found" not in str(answers[0]) \
                        and "forbidden" not in str(answers[0]):
                    fail("%s answered about globex: %.300r" % (kind, answers[0]))
    if refused_by_role < 4 or looked_at < 60:
        fail("only %d requests were looked at" % looked_at)
    #   Nothing of theirs was changed on the way.
    same("active", root.ask("lease.get", {"leaseId": theirs["leaseId"]})["status"], "their lease")
    same("secret-globex", root.ask("environment.get", {"environmentId": theirs["environmentId"]})["name"], "their environment")
    return mine, theirs


def main():
    runtime, folder = sys.argv[1:]
    root = Bus("ipc://%s/bus.sock" % runtime)
    info = root.ask("bus.info")
    server = info["serverKey"].encode()
    bus, events = info["networkBus"].decode(), info["networkEvents"].decode()
    keys = {name: zmq.auth.load_certificate("%s/%s.zcert" % (folder, name)) for name in ("ann", "bob", "eve")}
    ann, bob, eve = (Bus(bus, keys[name], server) for name in ("ann", "bob", "eve"))
    mine, theirs = every_request(root, ann)

    #   On whose behalf: kept in the log; not from an observer.
    ann.ask("environment.update", {"environmentId": mine["environmentId"], "name": "renamed"},
            actor={"type": "user", "id": "the-user"})
    ann.ask("environment.update", {"environmentId": mine["environmentId"], "name": "again"})
    log = ann.ask("activity.list", {"companyId": "acme", "action": "environment.updated"})["items"]
    same(["the-user", "ann"], [entry["actorId"] for entry in log], "actors in the log")
    same("user", log[0]["actorType"], "type of the actor")
    eve.refused("forbidden", "lease.get", {"leaseId": mine["leaseId"]}, actor={"type": "user", "id": "x"})

    #   An observer sees no configuration.
    seen = eve.ask("environment.get", {"environmentId": mine["environmentId"]})
    same(({}, None, True), (seen["config"], seen["metadata"], seen["configRedacted"]), "environment of an observer")
    seen = eve.ask("lease.get", {"leaseId": mine["leaseId"]})
    for name in ("config", "policy"):
        if name in seen:
            fail("an observer sees %s of a lease" % name)
    same(None, seen["metadata"], "metadata of a lease, for an observer")
    if not ann.ask("lease.get", {"leaseId": mine["leaseId"]})["metadata"]:
        fail("ann does not see the metadata of a lease")

    #   Keys of retries are each principal's own.
    ask = {"companyId": "acme", "name": "once", "driver": "sandbox", "config": {"provider": "bubblewrap"}}
    first = ann.ask("environment.create", ask, key="k")["id"]
    same(first, ann.ask("environment.create", ask, key="k")["id"], "a retry")
    if root.ask("environment.create", ask, key="k")["id"] == first:
        fail("a key of ann's answers another principal")

    #   An id of the socket's own could be taken by another client: refused.
    Bus(bus, keys["ann"], server, b"mine").refused("unauthorized", "bus.ping")

    #   No folder of the host, and nothing on it, unless that is granted.
    outside, inside = folder + "/outside", folder + "/inside"
    for path in (outside, inside):
        os.makedirs(path)
        with open(path + "/file", "w") as file:
            file.write(path)
    os.symlink(outside, inside + "/link")
    realize = {"companyId": "acme", "heartbeatRunId": "held-acme", "executionWorkspace": {"cwd": inside}}
    ann.refused("forbidden", "run.realize", realize)
    ann.refused("forbidden", "workspace.create", {"companyId": "acme", "name": "w", "cwd": inside})
    root.ask("key.grant", {"keyId": "ann", "workspaceRoots": [inside]})
    for path in (outside, inside + "/../outside", "/", inside + "side"):
        ann.refused("forbidden", "run.realize", dict(realize, executionWorkspace={"cwd": path}))
    try:
        ann.ask("run.realize", dict(realize, executionWorkspace={"cwd": inside + "/link"}))
        fail("a link led out of a workspace root")
    except Refused:
        pass
    root.ask("run.acquire", {"companyId": "acme", "heartbeatRunId": "files",
                             "selectedEnvironmentId": mine["environmentId"]})
    lease = ann.ask("run.realize", dict(realize, heartbeatRunId="files"))["lease"]["id"]
    same(b"inside", ann.ask("exec.run", {"leaseId": lease, "script": "basename $(cat file); echo more >new"})["stdout"].strip(), "a file in the place")
    ann.refused("forbidden", "workspace.return", {"leaseId": lease, "target": outside})
    try:
        ann.ask("workspace.return", {"leaseId": lease, "target": inside + "/link"})
        fail("a link led home out of a workspace root")
    except Refused:
        pass
    same(["file"], os.listdir(outside), "what lies outside")
    same(1, ann.ask("workspace.return", {"leaseId": lease})["added"], "what came home")
    root.ask("run.release", {"companyId": "acme", "heartbeatRunId": "files"})
    here = root.ask("environment.ensureLocal", {"companyId": "acme"})["id"]
    held = root.ask("lease.acquire", {"companyId": "acme", "environmentId": here})["id"]
    shell = root.ask("exec.start", {"leaseId": held, "script": "cat", "stdin": True})["id"]
    ann.refused("forbidden", "lease.acquire", {"companyId": "acme", "environmentId": here})
    ann.refused("forbidden", "exec.run", {"leaseId": held, "script": "true"})
    ann.refused("forbidden", "exec.write", {"execId": shell, "eof": True})
    try:
        ann.ask("run.acquire", {"companyId": "acme", "heartbeatRunId": "here", "selectedEnvironmentId": here})
        fail("a run was let onto the host")
    except Refused:
        pass
    root.ask("lease.release", {"leaseId": held})

    #   Subscriptions: acme's, whole segments, nothing else.
    follower = Follower(events, keys["ann"], server, ["acme/", "globex/", "", "acme", "globex/environment.created"])
    other = Follower(events, keys["bob"], server, ["globex/", "acme/"])
    everything = Follower(info["events"].decode(), None, None, [""])
    follower.hear_until("acme/~head")
    other.hear_until("globex/~head")

    def tell(name):
        for company in ("globex", "acme"):
            root.ask("environment.create", {"companyId": company, "name": name, "driver": "sandbox",
                                            "config": {"provider": "bubblewrap"}})

    tell("told")
    for who, company in ((follower, "acme"), (other, "globex")):
        heard = who.hear_until("%s/environment.created" % company) + who.hear_until("%s/~head" % company)
        if [topic for topic in heard if not topic.startswith(company + "/")]:
            fail("%s's subscriber heard %r" % (company, heard))
    everything.hear_until("globex/environment.created")

    #   What is no subscription must not give one connection what another asked for.
    hostile = Follower(events, keys["bob"], server, [], zmq.XSUB)
    hostile.socket.send(b"\x07shift")
    victims = []
    for _ in range(20):
        victims.append(Follower(events, keys["ann"], server, ["acme/"]))
        hostile.socket.send(b"\x07shift")
        hostile.socket.send(b"\x01globex/")
    tell("shifted")
    for victim in victims:
        victim.hear_until("acme/~head")
    while hostile.socket.poll(100):
        topic = hostile.socket.recv_multipart()[0].decode()
        if not topic.startswith("globex/"):
            fail("a hostile subscriber heard %s" % topic)

    #   A grant works at once, in both directions; subscribers return by themselves.
    ann.refused("not_found", "lease.list", {"companyId": "globex"})
    root.ask("key.grant", {"keyId": "ann", "companies": ["acme", "globex"]})
    ann.ask("lease.list", {"companyId": "globex"})
    follower.hear_until("globex/~head")
    stream = ann.send("exec.wait", {"execId": ann.ask("exec.start", {"leaseId": theirs["leaseId"], "script": "sleep 600"})["id"]})
    root.ask("key.grant", {"keyId": "ann", "companies": ["acme"]})
    status, body, _ = ann.receive(stream)
    same(("error", "forbidden"), (status, body.get("code")), "what waited when rights were taken")
    ann.refused("not_found", "lease.list", {"companyId": "globex"})
    root.ask("key.grant", {"keyId": "ann", "roles": ["observer"]})
    ann.refused("forbidden", "lease.release", {"leaseId": mine["leaseId"]})
    root.ask("key.grant", {"keyId": "ann", "roles": ["platform"]})

    #   A revoked key loses its connections: one in the middle of a stream, a silent one, events.
    running = ann.ask("exec.start", {"leaseId": mine["leaseId"],
                                     "script": "i=0; while sleep 0.1; do i=$((i + 1)); echo $i; done"})["id"]
    eve.ask("bus.ping")
    bob.ask("bus.ping")
    number = eve.send("exec.read", {"execId": running, "follow": True}, credit=1 << 20)
    same("stream", eve.receive(number)[0], "a stream")
    silent = Bus(bus, keys["eve"], server)
    silent.event(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    watcher = Follower(events, keys["eve"], server, ["acme/"])
    watcher.hear_until("acme/~head")
    eve.event(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    root.ask("key.revoke", {"keyId": "eve"})
    for gone in (eve, silent):
        gone.event(zmq.EVENT_DISCONNECTED)
    if not watcher.monitor.poll(PATIENCE * 1000):
        fail("a subscriber with a revoked key is still connected")
    while eve.socket.poll(500):
        frames = eve.socket.recv_multipart()
        if msgpack.unpackb(frames[0])["status"] == "ok":
            fail("a revoked key was answered")
    bob.ask("bus.ping")
    while bob.monitor.poll(0):
        if recv_monitor_message(bob.monitor)["event"] == zmq.EVENT_DISCONNECTED:
            fail("a good key lost its connection")
    for ids in (mine, theirs):
        root.ask("lease.release", {"leaseId": ids["leaseId"]})
    for company in ("acme", "globex"):
        root.ask("run.release", {"companyId": company, "heartbeatRunId": "held-" + company})


main()

#!/usr/bin/python3
#  foreign_client.py - a client of Berth in another language, written from messages/README.md and
#  bus.describe alone: it walks a run, reads a stream with little credit, follows the activity over
#  forced gaps, and says a lot of nonsense. Every reply is held against its schema.
#
#      foreign_client.py RUNTIME_DIRECTORY

import hashlib
import os
import random
import shutil
import socket
import sys
import tempfile
import time
import traceback
import uuid

import msgpack
import zmq

PATIENCE = 60                       # Seconds for any one answer
KINDS = {
    "bool": bool, "i64": int, "u64": int, "time": int, "f64": (int, float), "str": str, "id": str,
    "bytes": bytes, "enum": str, "obj": dict, "list": list, "list of str": list,
    "list of bytes": list,
}
ROWS = {"environment", "lease", "run", "exec", "workspace", "activity"}
ZEROS = bytes(32)


def fail(what):
    raise AssertionError(what)


def same(expected, actual, what):
    if expected != actual:
        fail("%s: expected %.300r, got %.300r" % (what, expected, actual))


def say(step):
    print("--", step, flush=True)


def new_id():
    return str(uuid.uuid4())


# ---- the protocol as data

class Protocol:
    """What bus.describe answered."""

    def __init__(self, body):
        self.requests = {row["type"]: row for row in body["requests"]}
        self.schemas = {row["name"]: row for row in body["schemas"]}
        self.errors = {row["code"]: row for row in body["errors"]}
        self.limits = {row["name"]: row["value"] for row in body["limits"]}
        self.actions = {row["action"]: row["entityType"] for row in body["actions"]}
        self.checked = 0

    def check(self, name, value, path=""):
        """Holds a map that the service sent against its schema."""
        path = path or name
        self.checked += 1
        if not isinstance(value, dict):
            fail("%s is no map: %.100r" % (path, value))
        fields = {row["name"]: row for row in self.schemas[name]["fields"]}
        for key in value:
            if key not in fields:
                fail("%s has a key that its schema does not know: %s" % (path, key))
        for key, field in fields.items():
            here = "%s.%s" % (path, key)
            if key not in value:
                if field["presence"] == "required":
                    fail("%s is missing" % here)
                if field["presence"] == "nullable" and name in ROWS:
                    fail("%s of a row is absent, not null" % here)
            elif value[key] is None:
                if field["presence"] != "nullable" and field["kind"] != "any":
                    fail("%s is null" % here)
            else:
                self.check_value(field, value[key], here)

    def check_value(self, field, value, path):
        kind = field["kind"]
        if kind == "any":
            if field.get("of") == "map" and not isinstance(value, dict):
                fail("%s is no map" % path)
            return
        if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "bool"):
            fail("%s is no %s: %.100r" % (path, kind, value))
        if kind == "u64" and value < 0:
            fail("%s is negative" % path)
        if kind == "id" and (len(value) != 36 or str(uuid.UUID(value)) != value):
            fail("%s is no id: %r" % (path, value))
        if kind == "enum" and value not in field["values"]:
            fail("%s is none of its values: %r" % (path, value))
        if kind == "obj":
            self.check(field["of"], value, path)
        elif kind == "list":
            for index, item in enumerate(value):
                self.check(field["of"], item, "%s[%d]" % (path, index))
        elif kind.startswith("list of "):
            wanted = str if kind == "list of str" else bytes
            for item in value:
                if not isinstance(item, wanted):
                    fail("%s holds no %s: %r" % (path, wanted, item))
        limit = field.get("limit")
        if limit and kind in ("str", "id", "bytes", "list", "list of str", "list of bytes"):
            size = len(value.encode() if isinstance(value, str) else value)
            if size > limit:
                fail("%s is above its own limit: %d" % (path, size))


class Failed(Exception):
    """A reply with status error."""

    def __init__(self, body):
        super().__init__("%s: %s" % (body["code"], body["message"]))
        self.code = body["code"]
        self.message = body["message"]
        self.details = body.get("details", {})


class Reply:
    def __init__(self, header, body, data, raw):
        self.header, self.body, self.data, self.raw = header, body, data, raw
        self.status = header["status"]


# ---- a client

class Bus:
    """One DEALER, any number of requests under way."""

    def __init__(self, endpoint, protocol=None):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        self.protocol = protocol
        self.count = 0
        self.types = {}             # Of requests under way, by id
        self.early = []             # Replies that somebody else waits for

    def close(self):
        self.socket.close()

    def send(self, kind, body=None, data=None, **header):
        self.count += 1
        number = "r%d" % self.count
        self.types[number] = kind
        frames = [msgpack.packb(dict({"v": 1, "id": number, "type": kind}, **header)),
                  msgpack.packb(body or {})]
        self.socket.send_multipart(frames if data is None else frames + [data])
        return number

    def receive(self, patience=PATIENCE):
        if not self.socket.poll(patience * 1000):
            fail("nothing came for %d s; unanswered: %s" % (patience, self.types))
        frames = self.socket.recv_multipart()
        if len(frames) not in (2, 3):
            fail("a reply of %d frames" % len(frames))
        header, body = msgpack.unpackb(frames[0]), msgpack.unpackb(frames[1])
        reply = Reply(header, body, frames[2] if len(frames) == 3 else b"", frames[1])
        self.check(reply)
        return reply

    def check(self, reply):
        kind = self.types.get(reply.header["id"])
        if reply.status != "stream":
            self.types.pop(reply.header["id"], None)
        if not self.protocol:
            return
        self.protocol.check("reply_header", reply.header)
        same(1, reply.header["v"], "v of a reply")
        if kind is not None and kind in self.protocol.requests:
            same(kind, reply.header["type"], "type of a reply")
        if reply.status == "error":
            self.protocol.check("error_body", reply.body)
            row = self.protocol.errors.get(reply.body["code"]) or fail("code %s" % reply.body["code"])
            same(row["retryable"], reply.body["retryable"], "retryable of " + row["code"])
            if not reply.body["message"] or "\n" in reply.body["message"]:
                fail("no sentence: %r" % reply.body["message"])
        elif reply.status == "stream":
            name = "stream_chunk" if kind == "exec.read" else "workspace_progress"
            self.protocol.check(name, reply.body)
        else:
            self.protocol.check(self.protocol.requests[kind]["reply"], reply.body)

    def next(self, number, patience=PATIENCE):
        """The next reply of one request."""
        for index, reply in enumerate(self.early):
            if reply.header["id"] == number:
                return self.early.pop(index)
        until = time.monotonic() + patience
        while time.monotonic() < until:
            reply = self.receive(patience)
            if reply.header["id"] == number:
                return reply
            self.early.append(reply)
        fail("no reply to %s" % number)

    def ask_all(self, kind, body=None, data=None, **header):
        """The last reply; what streams before is handed back too."""
        header.setdefault("deadlineMs", PATIENCE * 1000)
        number = self.send(kind, body, data, **header)
        chunks = []
        while True:
            reply = self.next(number, 2 * PATIENCE)
            if reply.status == "ok":
                return reply, chunks
            if reply.status == "error":
                raise Failed(reply.body)
            chunks.append(reply.body)

    def ask(self, kind, body=None, data=None, **header):
        return self.ask_all(kind, body, data, **header)[0].body

    def refused(self, code, kind, body=None, data=None, field=None, **header):
        try:
            reply = self.ask(kind, body, data, **header)
        except Failed as error:
            same(code, error.code, "%s %.200r: %s" % (kind, body, error.message))
            if field is not None:
                same(field, error.details.get("field"), "field of %s %.200r" % (kind, body))
            return error
        fail("%s %.200r was not refused: %.200r" % (kind, body, reply))

    def ping(self):
        return self.ask("bus.ping")


# ---- activity

def chained(before, packed):
    """The hash that an entry must have."""
    same(b"\xc4\x20", packed[-34:-32], "where the hash begins")
    return hashlib.blake2b(before + packed[:-34] + b"\xc4\x00", digest_size=32).digest()


def raw_items(raw):
    """The packed entries of an activity.list, byte by byte as they came."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(raw)
    items = []
    for _ in range(unpacker.read_map_header()):
        if unpacker.unpack() != "items":
            unpacker.skip()
            continue
        for _ in range(unpacker.read_array_header()):
            begin = unpacker.tell()
            unpacker.skip()
            items.append(raw[begin:unpacker.tell()])
    return items


class Follower:
    """Follows a company and misses nothing, whatever the wire loses."""

    def __init__(self, bus, endpoint, company):
        self.bus, self.endpoint, self.company = bus, endpoint, company
        self.entries = []           # (entry, packed)
        self.last, self.hash = 0, ZEROS
        self.gaps_by_entry = self.gaps_by_head = self.heads = 0
        self.deaf = 0               # Entries that are thrown away on purpose
        self.headless = False       # Heads are not believed
        self.socket = None

    def open(self):
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.connect(self.endpoint)
        self.socket.subscribe((self.company + "/").encode())

    def close(self):
        self.socket.close()

    def take(self, packed):
        entry = msgpack.unpackb(packed)
        self.bus.protocol.check("activity", entry)
        same(self.company, entry["companyId"], "company of an entry")
        same(self.last + 1, entry["companySeq"], "companySeq")
        same(self.bus.protocol.actions[entry["action"]], entry["entityType"], entry["action"])
        if self.entries and entry["seq"] <= self.entries[-1][0]["seq"]:
            fail("seq does not grow: %r" % entry)
        same(chained(self.hash, packed), entry["hash"], "hash of entry %d" % entry["companySeq"])
        self.entries.append((entry, packed))
        self.last, self.hash = entry["companySeq"], entry["hash"]

    def repair(self):
        after = self.last
        while True:
            reply = self.bus.ask_all("activity.list",
                                     {"companyId": self.company, "after": after, "limit": 3})[0]
            if "gap" in reply.body:
                fail("the log has lost entries: %r" % reply.body["gap"])
            for packed in raw_items(reply.raw):
                self.take(packed)
            after = reply.body["next"]
            if after >= reply.body["head"]:
                return

    def hear(self):
        """One message; returns its action."""
        if not self.socket.poll(PATIENCE * 1000):
            fail("no activity for %d s" % PATIENCE)
        frames = self.socket.recv_multipart()
        same(2, len(frames), "frames of an event")
        company, action = frames[0].decode().split("/", 1)
        same(self.company, company, "topic")
        if action == "~head":
            self.heads += 1
            head = msgpack.unpackb(frames[1])
            self.bus.protocol.check("activity_head", head)
            if head["companySeq"] > self.last and not self.headless:
                self.gaps_by_head += 1
                self.repair()
            return action
        entry = msgpack.unpackb(frames[1])
        same(action, entry["action"], "topic and action")
        if self.deaf:
            self.deaf -= 1
        elif entry["companySeq"] == self.last + 1:
            self.take(frames[1])
        elif entry["companySeq"] > self.last:
            self.gaps_by_entry += 1
            self.repair()
        else:                       # It came by activity.list before; the bytes are the same
            same(self.entries[entry["companySeq"] - 1][1], frames[1], "an entry, heard twice")
        return action

    def hear_until(self, true):
        until = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > until:
                fail("what was waited for did not come; the last entry is %d" % self.last)
            self.hear()

    def catch_up(self):
        head = self.bus.ask("activity.head", {"companyId": self.company})
        self.hear_until(lambda: self.last >= head["companySeq"])
        return head


# ---- a whole run

def make_workspace(folder):
    os.makedirs(os.path.join(folder, "deep", "er"))
    for name, text in (("read.txt", "from home\n"), ("change.txt", "old\n"), ("drop.txt", "x\n"),
                       ("deep/er/same.txt", "same\n")):
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)


def read_file(folder, name):
    with open(os.path.join(folder, name)) as file:
        return file.read()


def read_stream(bus, exec_id, stream, credit, grant, follow=True):
    """Reads all of a stream, granting `grant` whenever so much was taken."""
    number = bus.send("exec.read", {"execId": exec_id, "stream": stream, "follow": follow},
                      credit=credit)
    granted, taken, due, parts, eof = credit, 0, 0, [], False
    largest = 0
    while True:
        reply = bus.next(number)
        if reply.status == "error":
            raise Failed(reply.body)
        if reply.status == "ok":
            break
        chunk = reply.body
        if eof:
            fail("a chunk behind the end")
        same(chunk["length"], len(reply.data), "length of a chunk")
        same(taken, chunk["offset"], "offset of a chunk")
        taken += chunk["length"]
        due += chunk["length"]
        eof = chunk["eof"]
        largest = max(largest, chunk["length"])
        if taken > granted:
            fail("%d bytes came with credit for %d" % (taken, granted))
        if not chunk["length"] or chunk["length"] > bus.protocol.limits["CHUNK_MAX"]:
            fail("a chunk of %d bytes" % chunk["length"])
        parts.append(reply.data)
        if due >= grant or taken == granted:
            if taken == granted:    # Starved: it stays quiet until we grant more
                same(exec_id, bus.ask("exec.get", {"execId": exec_id})["id"], "exec.get")
                if any(early.header["id"] == number and early.status == "stream"
                       for early in bus.early):
                    fail("a chunk came without credit")
            try:
                bus.ask("stream.credit", {"id": number, "bytes": due})
                granted += due
            except Failed as error:
                same("not_found", error.code, "credit for a stream that has just ended")
            due = 0
    end = reply.body
    same(0, end["offset"], "offset of the end")
    same(taken, end["next"], "next of the end")
    same(True, end["eof"], "eof of the end")
    if "missing" in end:
        fail("bytes are missing: %r" % end)
    return b"".join(parts), largest


def run_in_place(bus, lease, script, **more):
    result = bus.ask("exec.run", dict({"leaseId": lease["id"], "script": script}, **more))
    same("ended", result["exec"]["state"], "state of an exec that was waited for")
    return result


def walk_stream(bus, lease):
    say("a stream of 1 MiB with 4 KiB of credit")
    size = 1 << 20
    expected = b"".join(b"%d\n" % number for number in range(1, 200000))[:size]
    started = bus.ask("exec.start", {
        "leaseId": lease["id"], "companyId": lease["companyId"], "generation": lease["generation"],
        "command": b"sh", "args": ["-c", b"seq 1 200000 2>/dev/null | head -c %d" % size]})
    output, largest = read_stream(bus, started["id"], "stdout", 4096, 4096)
    same(size, len(output), "size of the output")
    same(True, output == expected, "the output is right")
    if largest > 4096:
        fail("a chunk of %d bytes" % largest)
    ended = bus.ask("exec.wait", {"execId": started["id"]})
    same(("ended", "exited", 0), (ended["state"], ended["cause"], ended["exitCode"]), "its end")
    same((size, 0), (ended["stdoutBytes"], ended["stderrBytes"]), "its bytes")

    say("the same from the spool: any range, in one reply, or with a lot of credit")
    output, largest = read_stream(bus, started["id"], "all", 1 << 30, 1 << 20, follow=False)
    same(True, output == expected, "the output is right again")
    for start, limit in ((0, 10), (1000000, 100000), (size - 1, None), (size, None), (7, 0)):
        ask = {"execId": started["id"], "stream": "stdout", "from": start}
        if limit is not None:
            ask["limit"] = limit
        reply = bus.ask_all("exec.read", ask)[0]
        wanted = expected[start:][:limit]
        same(wanted, reply.data, "bytes from %d" % start)
        same((start, start + len(wanted)), (reply.body["offset"], reply.body["next"]), "where")
        if limit != 0:
            same(start + len(wanted) == size, reply.body["eof"], "eof of %d+%r" % (start, limit))

    say("a stream that is cancelled, credit for none")
    number = bus.send("exec.read", {"execId": started["id"]}, credit=1)
    same(1, bus.next(number).body["length"], "one byte")
    bus.ask("stream.credit", {"id": number, "bytes": 0})
    bus.ask("stream.cancel", {"id": number})
    end = bus.next(number)
    same(("ok", 1, False), (end.status, end.body["next"], end.body["eof"]), "a cancelled stream")
    bus.refused("not_found", "stream.credit", {"id": number, "bytes": 1})
    bus.refused("not_found", "stream.cancel", {"id": "never"})


def walk_stdin(bus, lease):
    say("stdin: in pieces, one twice, then its end")
    given = bytes(range(256)) * 300
    started = bus.ask("exec.start", {"leaseId": lease["id"], "command": "cat", "stdin": True})
    exec_id, offset, pieces = started["id"], 0, 0
    same(True, started["stdin"], "stdin of the row")
    while offset < len(given):
        piece = given[offset:offset + 10000]
        written = bus.ask("exec.write", {"execId": exec_id, "offset": offset}, data=piece)
        if pieces == 1:             # A repeat does no harm
            again = bus.ask("exec.write", {"execId": exec_id, "offset": offset}, data=piece)
            same(True, again["offset"] >= written["offset"], "a repeat")
            written = again
        same(False, written["eof"], "eof")
        if not offset <= written["offset"] <= offset + len(piece):
            fail("accepted %d of %d+%d" % (written["offset"], offset, len(piece)))
        pieces += written["offset"] > offset
        offset = written["offset"]
    bus.ask("exec.write", {"execId": exec_id, "offset": offset, "eof": True})
    output, _ = read_stream(bus, exec_id, "stdout", 65536, 30000)
    same(True, output == given, "what came back from cat")
    same(0, bus.ask("exec.wait", {"execId": exec_id})["exitCode"], "exit status of cat")
    bus.refused("conflict", "exec.signal", {"execId": exec_id, "signal": 15})


def walk_ends(bus, lease):
    say("ends: a status, a signal, a start that fails, a generation that is old")
    result = run_in_place(bus, lease, "echo out; echo err >&2; exit 3")
    same(("exited", 3, None), tuple(result["exec"][key] for key in ("cause", "exitCode", "signal")),
         "exit 3")
    same((b"out\n", b"err\n", False), tuple(result[key] for key in ("stdout", "stderr", "outputCut")),
         "its output")
    started = bus.ask("exec.start", {"leaseId": lease["id"], "command": "cat", "stdin": True,
                                     "execId": new_id()})
    again = bus.ask("exec.start", {"leaseId": lease["id"], "command": "cat", "stdin": True,
                                   "execId": started["id"]})
    same(started["id"], again["id"], "a repeated start")
    #  Of the 300 that wait, 256 may; the rest is told so, and a ping comes through
    waits = [bus.send("exec.wait", {"execId": started["id"]}) for _ in range(300)]
    bus.ping()
    busy = [reply for reply in bus.early if reply.status == "error"]
    bus.early = [reply for reply in bus.early if reply.status != "error"]
    same(["busy"], sorted({reply.body["code"] for reply in busy}), "who waits too much")
    same(300 - bus.protocol.limits["UNANSWERED_MAX"], len(busy), "how many are refused")
    other = Bus(bus.socket.getsockopt_string(zmq.LAST_ENDPOINT), bus.protocol)
    other.ask("exec.signal", {"execId": started["id"], "signal": 9})
    other.close()
    refused = {reply.header["id"] for reply in busy}
    for number in waits:
        if number not in refused:
            ended = bus.next(number).body
            same(("signaled", None, 9), tuple(ended[key] for key in ("cause", "exitCode", "signal")),
                 "a killed cat")
    result = bus.ask("exec.run", {"leaseId": lease["id"], "command": "/no/such/program"})
    same("start_failed", result["exec"]["cause"], "a command that does not exist")
    bus.refused("fenced", "exec.start", {"leaseId": lease["id"], "command": "true",
                                         "generation": lease["generation"] - 1})
    result = run_in_place(bus, lease, "cat; printf %s \"$WORD\"", env={"WORD": "a b"},
                          timeoutMs=60000)
    same(b"a b", result["stdout"], "an environment, and no stdin")


def walk_run(bus, company, folder):
    make_workspace(folder)
    say("an environment")
    create = {"companyId": company, "name": "foreign", "driver": "sandbox",
              "config": {"provider": "bubblewrap"}, "metadata": {"why": ["a", {"b": None}]}}
    environment = bus.ask("environment.create", create, key="one")
    same(environment["id"], bus.ask("environment.create", create, key="one")["id"], "a retry")
    bus.refused("conflict", "environment.create", dict(create, name="other"), key="one")
    same({"why": ["a", {"b": None}]}, environment["metadata"], "free data")
    listed = bus.ask("environment.list", {"companyId": company, "driver": "sandbox"})
    same([environment["id"]], [row["id"] for row in listed["items"]], "environments")
    if not bus.ask("environment.probe", {"environmentId": environment["id"]})["ok"]:
        fail("bubblewrap cannot run here")

    say("run.acquire")
    run = "run-" + company
    acquired = bus.ask("run.acquire", {"companyId": company, "heartbeatRunId": run,
                                       "selectedEnvironmentId": environment["id"]})
    lease = acquired["lease"]
    same(("active", "bubblewrap", run),
         (lease["state"], lease["provider"], lease["heartbeatRunId"]), "the lease")
    bus.refused("not_found", "lease.get", {"leaseId": lease["id"], "companyId": "other"})

    say("run.realize")
    reply, progress = bus.ask_all("run.realize", {
        "companyId": company, "heartbeatRunId": run,
        "executionWorkspace": {"cwd": folder.encode()}}, credit=0)
    same(lease["id"], reply.body["lease"]["id"], "the lease of the realization")
    print("   %d reports of progress" % len(progress))
    same(b"from home\n", run_in_place(bus, lease, "cat read.txt")["stdout"], "a file of the workspace")

    walk_stream(bus, lease)
    walk_stdin(bus, lease)
    walk_ends(bus, lease)

    say("workspace.return")
    run_in_place(bus, lease, "echo new >change.txt && rm drop.txt && mkdir made && echo 1 >made/it")
    returned = bus.ask("workspace.return", {"leaseId": lease["id"]})
    same((1, 1, 0, 0), tuple(returned[key] for key in ("changed", "deleted", "conflicts", "refused")),
         "what came home")
    same("new\n", read_file(folder, "change.txt"), "a changed file")
    same("1\n", read_file(folder, "made/it"), "a new file")
    same("same\n", read_file(folder, "deep/er/same.txt"), "a file nobody touched")
    same(False, os.path.exists(os.path.join(folder, "drop.txt")), "a deleted file")

    say("run.release")
    released = bus.ask("run.release", {"companyId": company, "heartbeatRunId": run})
    same(([lease["id"]], []), ([row["id"] for row in released["released"]], released["errors"]),
         "what was released")
    same("released", bus.ask("lease.get", {"leaseId": lease["id"]})["state"], "the lease")
    same("released", bus.ask("run.get", {"companyId": company, "heartbeatRunId": run})["state"],
         "the run")
    bus.refused("conflict", "exec.start", {"leaseId": lease["id"], "command": "true"})
    return environment, lease, run


ROAD = ["environment.created", "run.acquiring", "environment.lease_pending",
        "environment.lease_acquired", "run.acquired", "run.realizing", "workspace.realized",
        "run.ready", "exec.started", "exec.ended", "workspace.returned", "run.releasing",
        "environment.lease_releasing", "environment.lease_released", "run.released"]


def walk_activity(follower, environment, lease, run):
    bus, company = follower.bus, follower.company
    say("activity: the road of the run, as it was published")
    follower.catch_up()
    actions = [entry["action"] for entry, _ in follower.entries]
    at = 0
    for action in ROAD:
        if action not in actions[at:]:
            fail("no %s behind %s in %s" % (action, actions[:at], actions[at:]))
        at = actions.index(action, at) + 1
    mine = [entry for entry, _ in follower.entries if entry["action"].startswith("exec.")]
    same(len([entry for entry in mine if entry["action"] == "exec.started"]),
         len([entry for entry in mine if entry["action"] == "exec.ended"]), "starts and ends")

    def rename(name):
        return bus.ask("environment.update", {"environmentId": environment["id"], "name": name})

    say("a gap because entries were lost: the next companySeq tells")
    follower.deaf, follower.headless = 2, True
    for name in ("two", "three", "four"):
        rename(name)
    follower.catch_up()
    same(0, follower.deaf, "entries still to be lost")
    same(1, follower.gaps_by_entry, "it was seen by companySeq")
    follower.headless = False

    say("a gap because we were away: ~head tells")
    follower.close()
    for name in ("five", "six"):
        rename(name)
    before = follower.gaps_by_head
    follower.open()
    follower.catch_up()
    same(before + 1, follower.gaps_by_head, "it was seen by ~head")

    say("the log answers what was heard, and its chain holds")
    head = bus.ask("activity.head", {"companyId": company})
    same((follower.last, follower.hash), (head["companySeq"], head["hash"]), "the head")
    other = Follower(bus, follower.endpoint, company)
    other.repair()
    same(True, [packed for _, packed in other.entries] == [packed for _, packed in follower.entries],
         "the log, byte by byte")
    before, packed = ZEROS, follower.entries[0][1]
    same(follower.entries[0][0]["hash"], chained(before, packed), "the first hash")
    spoiled = packed.replace(b"foreign", b"FOREIGN", 1)
    if chained(before, spoiled) == follower.entries[0][0]["hash"]:
        fail("a spoiled entry verifies")
    for ask, want in (({"runId": run}, lambda entry: entry["runId"] == run),
                      ({"entityId": lease["id"]}, lambda entry: entry["entityId"] == lease["id"]),
                      ({"action": "exec."}, lambda entry: entry["action"].startswith("exec.")),
                      ({"action": "run.ready"}, lambda entry: entry["action"] == "run.ready")):
        page = bus.ask("activity.list", dict({"companyId": company, "limit": 1000}, **ask))
        same([entry["companySeq"] for entry, _ in follower.entries if want(entry)],
             [entry["companySeq"] for entry in page["items"]], "entries of %r" % ask)
        same(True, bool(page["items"]), "there are some of %r" % ask)
    print("   %d entries, %d heads, gaps by entry %d, by head %d" % (
        follower.last, follower.heads, follower.gaps_by_entry, follower.gaps_by_head))


# ---- REQ

def walk_req(endpoint, protocol, company):
    say("a REQ client")
    ask = zmq.Context.instance().socket(zmq.REQ)
    ask.linger = 0
    ask.rcvtimeo = PATIENCE * 1000
    ask.connect(endpoint)

    def call(kind, body, **header):
        ask.send_multipart([msgpack.packb(dict({"v": 1, "id": b"\x00\xff", "type": kind}, **header)),
                            msgpack.packb(body)])
        head, reply = map(msgpack.unpackb, ask.recv_multipart()[:2])
        protocol.check("reply_header", head)
        same((b"\x00\xff", kind), (head["id"], head["type"]), "id and type")
        protocol.check("error_body" if head["status"] == "error"
                       else protocol.requests[kind]["reply"], reply)
        return head["status"], reply

    same("ok", call("bus.ping", {})[0], "bus.ping")
    status, page = call("lease.list", {"companyId": company})
    same(("ok", 1), (status, len(page["items"])), "lease.list")
    status, execs = call("exec.list", {"companyId": company, "limit": 1})
    exec_id = execs["items"][0]["id"]
    same(True, bool(execs["nextCursor"]), "there are more execs")
    status, error = call("exec.read", {"execId": exec_id}, credit=4096)
    same(("error", "invalid_request"), (status, error.get("code")), "credit on a REQ")
    same("ok", call("exec.read", {"execId": exec_id})[0], "exec.read in one reply")
    same("ok", call("bus.ping", {})[0], "bus.ping behind a refusal")
    ask.close()


# ---- bad input

def wrong_values(field):
    """Values that a field must refuse: (value, path behind the field)."""
    kind, limit = field["kind"], field.get("limit")
    if kind == "any":
        wrong = [(5, "")] if field.get("of") == "map" else []
    else:
        wrong = [({"map": 1} if kind != "obj" else 5, "")]
    if field["presence"] != "nullable" and kind != "any":
        wrong.append((None, ""))
    if kind == "bool":
        wrong.append((1, ""))
    if kind in ("i64", "u64", "time", "f64"):
        wrong += [("1", ""), (True, "")]
        if kind != "f64":
            wrong.append((1.5, ""))
        if kind == "u64":
            wrong.append((-1, ""))
        if limit and limit < 1 << 63:
            wrong.append((limit + 1, ""))
        if field.get("positive"):
            wrong.append((0, ""))
    if kind in ("str", "id"):
        wrong += [(b"bin", ""), ("a\0b", ""), (b"\xff", "") if kind == "id" else (7, "")]
        if limit:
            wrong.append(("x" * (limit + 1), ""))
    if kind == "id":
        wrong += [(new_id().upper(), ""), ("0" * 35, "")]
    if kind == "bytes" and limit and limit < 1 << 19:
        wrong.append((b"x" * (limit + 1), ""))
    if kind in ("str", "bytes", "list of str", "list of bytes", "list") and field.get("positive"):
        wrong.append((b"" if kind == "bytes" else "" if kind == "str" else [], ""))
    if kind == "enum":
        wrong += [("nonsense", ""), (1, ""), ("", "")]
    if kind.startswith("list"):
        wrong.append(([5], "[0]"))
        if limit and limit < 10000:
            wrong.append((["a"] * (limit + 1), ""))
    return wrong


def wrong_bodies(protocol, name, wrap=lambda body: body, path="", depth=0):
    """(body, path) of everything a schema must refuse."""
    schema = protocol.schemas[name]
    for field in schema["fields"]:
        here = path + field["name"]
        for value, behind in wrong_values(field):
            yield wrap({field["name"]: value}), here + behind
        if field["kind"] in ("obj", "list") and depth < 3:
            def inside(body, key=field["name"], many=field["kind"] == "list"):
                return wrap({key: [body] if many else body})
            more = "[0]." if field["kind"] == "list" else "."
            yield from wrong_bodies(protocol, field["of"], inside, here + more, depth + 1)
    if schema["strict"]:
        yield wrap({"nonsense": 1}), path + "nonsense"
    required = [field["name"] for field in schema["fields"] if field["presence"] == "required"]
    if required:
        yield wrap({}), path + required[0]


def walk_schemas(bus):
    say("every field of every request, wrong in every way")
    count = 0
    for kind, row in bus.protocol.requests.items():
        for body, path in wrong_bodies(bus.protocol, row["request"]):
            bus.refused("invalid_request", kind, body, field=path)
            count += 1
    print("   %d refusals, each with the right path" % count)
    bus.ping()


def walk_frames(bus, company):
    say("frames that are none")
    rng = random.Random(20)
    listing = {"v": 1, "id": "l", "type": "lease.list"}
    header = msgpack.packb(listing)
    body = msgpack.packb({"companyId": company})

    def head(**changes):
        made = dict(listing, **changes)
        return [msgpack.packb({key: value for key, value in made.items() if value != "gone"}), body]

    deep = b"\x81\xa1a" * 20 + b"\xc0"
    bad = {
        "an empty frame": ([b""], None), "two empty frames": ([b"", b""], None),
        "three empty frames": ([b"", b"", b""], None),
        "a header of one byte": ([b"\xc1"], None), "a list as header": ([b"\x90", body], None),
        "a number as header": ([b"\x05", body], None), "an empty header": ([b"\x80", body], "v"),
        "half a header": ([header[:-3], body], None), "bytes behind": ([header + b"\0", body], None),
        "no v": (head(v="gone"), "v"), "v as text": (head(v="1"), "v"), "v 2": (head(v=2), None),
        "no id": (head(id="gone"), "id"), "id null": (head(id=None), None),
        "id a number": (head(id=7), None), "id empty": (head(id=""), None),
        "id too long": (head(id="x" * 70), "id"), "id of 65": (head(id="x" * 65), None),
        "id a list": (head(id=["a"]), None),
        "no type": (head(type="gone"), "type"), "type a number": (head(type=7), "type"),
        "type too long": (head(type="x" * 65), "type"), "type with NUL": (head(type="a\0"), "type"),
        "credit negative": (head(credit=-1), "credit"), "credit as text": (head(credit="1"), "credit"),
        "credit where nothing streams": (head(credit=1), None),
        "deadline 0": (head(deadlineMs=0), "deadlineMs"), "key empty": (head(key=""), "key"),
        "key too long": (head(key="x" * 129), "key"), "actor wrong": (head(actor={}), "actor.type"),
        "a body of one byte": ([header, b"\xc1"], None), "a list as body": ([header, b"\x90"], None),
        "half a body": ([header, body[:-1]], None),
        "bytes behind the body": ([header, body + b"\xc0"], None),
        "a body twice": ([header, body + body], None),
        "a depth bomb": ([header, b"\x91" * 100000], None),
        "a depth bomb of maps": ([header, b"\x81\xa1a" * 100000 + b"\xc0"], None),
        "a deep header": ([deep, body], None), "a deep body": ([header, deep], None),
        "a count bomb": ([header, b"\xdd\xff\xff\xff\xff"], None),
        "a map bomb": ([header, b"\xdf\xff\xff\xff\xff"], None),
        "a map bomb as header": ([b"\xdf\x7f\xff\xff\xff\xa1v\x01", body], None),
        "a bomb inside": ([header, b"\x81\xa9companyId\xdd\x00\xff\xff\xff\x01"], None),
        "a text bomb": ([header, b"\x81\xa9companyId\xdb\xff\xff\xff\xff"], None),
        "a bin bomb": ([header, b"\x81\xa9companyId\xc6\xff\xff\xff\xff"], None),
        "too many elements": ([header, msgpack.packb({"companyId": company, "x": [0] * 16384})], None),
        "many lists": ([header, msgpack.packb({"x": [[0] * 1000] * 20})], None),
        "a key twice": ([header, b"\x82\xa1a\x01\xa1a\x02"], None),
        "a key twice in the header": ([b"\x82\xa1v\x01\xa1v\x01", body], None),
        "a key twice, far in": ([header, msgpack.packb({"x": {"y": 1}})[:3]
                                 + b"\x82\xa1y\x01\xa1y\x01"], None),
        "a key that is a number": ([header, b"\x81\x01\x02"], None),
        "an extension": ([header, b"\x81\xa1a\xd4\x01\x00"], None),
        "a timestamp": ([header, b"\x81\xa1a\xd6\xff\x00\x00\x00\x00"], None),
        "no UTF-8": ([header, b"\x81\xa9companyId\xa2\xff\xfe"], "companyId"),
        "five frames": ([header, body, b"1", b"2", b"3"], None),
        "a hundred frames": ([header, body] + [b"x"] * 98, None),
        "a frame of bytes": ([header, body, b"bytes"], None),
    }
    for index in range(200):
        size = rng.choice((1, 2, 7, 40, 300))
        garbage = bytes(rng.getrandbits(8) for _ in range(size))
        bad["garbage %d" % index] = ([garbage, body] if index % 2 else [header, garbage], None)
    for index in range(200):        # One byte of something right, changed
        frame = bytearray(header + body)
        frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        bad["damage %d" % index] = ([bytes(frame[:len(header)]), bytes(frame[len(header):])], False)
    for what, (frames, field) in bad.items():
        same(1, len(answers(bus, frames, what, field)), "%s: replies" % what)
    print("   %d messages" % len(bad))


def answers(bus, frames, what, field):
    """What came back for a bad message, before all that a ping behind it waits for."""
    bus.socket.send_multipart(frames)
    number, found, alive = bus.send("bus.ping"), [], False
    while not alive or not found:
        if not bus.socket.poll(PATIENCE * 1000):
            fail("%s: %s" % (what, "no reply" if alive else "the service answers no ping"))
        got = bus.socket.recv_multipart()
        got = got[1:] if got[0] == b"" else got     #  It took our empty frame for that of a REQ
        header, body = msgpack.unpackb(got[0]), msgpack.unpackb(got[1])
        bus.protocol.check("reply_header", header)
        if header["id"] == number:
            same("ok", header["status"], "%s: a ping behind it" % what)
            alive = True
            continue
        found.append(body)
        if header["status"] == "error":
            bus.protocol.check("error_body", body)
        if field is not False:                      # False: by chance it may be right
            same("error", header["status"], what)
            same("invalid_request", body["code"], "%s: %s" % (what, body["message"]))
        if field:
            same(field, body["details"].get("field"), "%s: its field" % what)
    bus.types.pop(number)
    return found


def walk_refusals(bus, endpoint, path, company):
    say("what does not exist, and what is not spoken")
    for kind in ("lease.fly", "place.open", "step.done", "vault.list", "lease", ".", "lease.acquirE"):
        bus.refused("unsupported", kind, {})
    bus.refused("not_found", "lease.get", {"leaseId": new_id()})
    bus.refused("not_found", "exec.get", {"execId": new_id()})
    bus.refused("invalid_request", "environment.create", {
        "companyId": company, "name": "x", "driver": "sandbox",
        "config": {"provider": "bubblewrap", "memoryMb": "much"}}, field="config.memoryMb")
    bus.refused("invalid_request", "environment.create", {
        "companyId": company, "name": "x", "driver": "sandbox",
        "config": {"provider": "bubblewrap", "nonsense": 1}}, field="config.nonsense")
    bus.refused("environment_not_found", "run.acquire", {
        "companyId": company, "heartbeatRunId": "r", "selectedEnvironmentId": new_id()})

    say("a frame above the limit closes only its own connection")
    limit = bus.protocol.limits["FRAME_MAX"]
    large = Bus(endpoint, bus.protocol)
    large.ping()
    monitor = large.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    large.send("bus.ping", {"x": "x" * limit})
    if not monitor.poll(PATIENCE * 1000):
        fail("the service kept a connection that sent too much")
    large.socket.disable_monitor()
    large.close()
    exact = msgpack.packb({"companyId": company, "x": b""})
    room = limit - len(exact) - 3           # bin 32 has three more bytes of size
    full = {"companyId": company, "x": b"x" * room}
    same(limit, len(msgpack.packb(full)), "a frame as large as may be")
    same([], bus.ask("run.list", dict(full, companyId=company[::-1]))["items"], "a full frame")

    say("bytes that are not ZeroMQ's")
    for junk in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" + bytes(8) + b"\x7f", bytes(4096),
                 b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL" + bytes(48) + b"\x04\xff\xff\xff\xff"):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(path)
            raw.sendall(junk)
        bus.ping()


# ---- all of it

def main(runtime):
    paths = [os.path.join(runtime, name) for name in ("bus.sock", "events.sock")]
    bus_endpoint, events_endpoint = ("ipc://" + path for path in paths)
    company = "foreign-" + uuid.uuid4().hex[:8]
    say("bus.describe, and itself by itself")
    bus = Bus(bus_endpoint)
    description = bus.ask("bus.describe")
    protocol = bus.protocol = Protocol(description)
    protocol.check("bus_description", description)
    same(1, description["protocol"], "protocol")
    for row in protocol.requests.values():
        same(True, row["request"] in protocol.schemas and row["reply"] in protocol.schemas, row)
    instance = bus.ping()["instance"]
    for kind in ("bus.info", "bus.stats", "provider.list"):
        bus.ask(kind)
    bus.ask("environment.capabilities", {"companyId": company})

    follower = Follower(bus, events_endpoint, company)
    follower.open()
    follower.hear_until(lambda: follower.heads)     # The subscription has arrived
    folder = tempfile.mkdtemp(prefix="home.")
    try:
        environment, lease, run = walk_run(bus, company, folder)
    finally:
        shutil.rmtree(folder)
    walk_activity(follower, environment, lease, run)
    walk_req(bus_endpoint, protocol, company)
    walk_frames(bus, company)
    walk_schemas(bus)
    walk_refusals(bus, bus_endpoint, paths[0], company)
    same(instance, bus.ping()["instance"], "it is the same service as at the start")
    follower.catch_up()
    follower.close()
    bus.close()
    print("%d maps held against their schemas" % protocol.checked)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__ or "foreign_client.py RUNTIME_DIRECTORY")
    try:
        main(sys.argv[1])
    except (AssertionError, Failed):
        traceback.print_exc()
        zmq.Context.instance().destroy(0)
        sys.exit(1)

#  foreign_bus.py - a client of Berth in another language: the protocol as data, a DEALER, and a
#  follower of activity. Written from messages/README.md alone; every reply is held against its
#  schema.

import hashlib
import time
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
            name = {"exec.read": "stream_chunk", "lease.acquire": "lease" if "id" in reply.body
                    else "lease_waiting"}.get(kind, "workspace_progress")
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

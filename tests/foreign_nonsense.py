#  foreign_nonsense.py - what a client must not say, and what the service must answer to it.

import random
import socket

import msgpack
import zmq

from foreign_bus import PATIENCE, Bus, fail, new_id, same, say


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
    create = {"companyId": company, "name": "x", "driver": "sandbox",
              "config": {"provider": "bubblewrap"}, "metadata": {"a": [{"b": "SPOILED!"}]}}
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
    for text in (b"\xff", b"\xc3", b"a\0b", b"\xed\xa0\x80"):      # As a str, deep in free data
        packed = msgpack.packb(create).replace(b"SPOILED!", text.rjust(8))
        bus.types["spoiled"] = "environment.create"
        bus.socket.send_multipart([msgpack.packb({"v": 1, "id": "spoiled",
                                                  "type": "environment.create"}), packed])
        reply = bus.next("spoiled")
        same(("error", "metadata"), (reply.status, reply.body.get("details", {}).get("field")),
             "a string that is none: %r" % text)
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


def walk_many(endpoint, protocol):
    """More clients, one after the other, than the service remembers."""
    say("many clients that come and go")
    count = protocol.limits["PEERS_MAX"] + 100
    for _ in range(0, count, 100):
        clients = [Bus(endpoint, protocol) for _ in range(100)]
        numbers = [client.send("bus.ping") for client in clients]
        for client, number in zip(clients, numbers):
            client.next(number)
            client.close()

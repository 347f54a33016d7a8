#!/usr/bin/python3
#  foreign_client.py - a client in another language walks a whole run, reads a stream with little
#  credit, follows the activity over forced gaps, and says a lot of nonsense. It knows only what
#  stands in messages/README.md and what bus.describe answers.
#
#      foreign_client.py RUNTIME_DIRECTORY
#      foreign_client.py RUNTIME_DIRECTORY silent     only: who says nothing loses its streams

import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
import uuid

import msgpack
import zmq

from foreign_bus import (PATIENCE, ZEROS, Bus, Failed, Follower, Protocol, chained, fail, new_id,
                         same, say)
from foreign_nonsense import walk_frames, walk_many, walk_refusals, walk_schemas


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
    bus.refused("deadline_exceeded", "exec.wait", {"execId": started["id"]}, deadlineMs=50)
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


def walk_cancel(bus, environment, folder):
    say("progress that nobody wants any more, of work that takes for ever")
    run = {"companyId": environment["companyId"], "heartbeatRunId": "endless"}
    bus.ask("run.acquire", dict(run, defaultEnvironmentId=environment["id"]))
    number = bus.send("run.realize", dict(run, executionWorkspace={"cwd": folder},
                                          provisionCommand="exec tail -f /dev/null"), credit=0)
    same("stream", bus.next(number).status, "progress")
    bus.ask("stream.cancel", {"id": number})
    last = bus.next(number)
    while last.status == "stream":
        last = bus.next(number)
    same(("error", "conflict"), (last.status, last.body.get("code")), "the end of a cancelled one")
    same("realizing", bus.ask("run.get", run)["state"], "the run goes on")
    same([], bus.ask("run.release", run)["errors"], "its release")


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

    walk_cancel(bus, environment, folder)

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
    same((0, 0), (follower.gaps_by_entry, follower.gaps_by_head), "gaps that nobody made")
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
    stats = bus.ask("bus.stats")
    until = time.monotonic() + PATIENCE
    while stats["published"] < stats["seq"]:    # Else we come back in time for the last
        same(True, time.monotonic() < until, "published in time")
        stats = bus.ask("bus.stats")
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
    same(("ok", 2), (status, len(page["items"])), "lease.list")
    status, execs = call("exec.list", {"companyId": company, "limit": 1})
    exec_id = execs["items"][0]["id"]
    same(True, bool(execs["nextCursor"]), "there are more execs")
    status, error = call("exec.read", {"execId": exec_id}, credit=4096)
    same(("error", "invalid_request"), (status, error.get("code")), "credit on a REQ")
    same("ok", call("exec.read", {"execId": exec_id})[0], "exec.read in one reply")
    same("ok", call("bus.ping", {})[0], "bus.ping behind a refusal")
    ask.close()


# ---- the page itself

def walk_page(runtime, company):
    """The programs of messages/README.md run, and its bytes are what is sent."""
    say("the examples of the page")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "messages",
                           "README.md")) as file:
        page = file.read()
    programs = re.findall(r"```python\n(.*?)```", page, re.S)
    same(3, len(programs), "programs on the page")
    names = {"hashlib": hashlib, "msgpack": msgpack, "zmq": zmq}
    for program in programs:
        exec(program.replace("/run/berth", runtime).replace('"acme"', repr(company)), names)
        if "header" in names:
            same("ok", names.pop("header")["status"], program)
    same(True, bool(names["body"]["items"]), "lease.list of the page")
    for name in ("bus", "ask"):
        names[name].close(0)
    packed = names["chained"](ZEROS, b"\xc4\x20" + ZEROS)
    same(hashlib.blake2b(ZEROS + b"\xc4\0", digest_size=32).digest(), packed, "chained")

    lines = re.findall(r"^(?:frame \d|you|service)? *((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: {2}|$| \.)",
                       page, re.M)
    written = " ".join(lines)
    for said in ({"v": 1, "id": "a1", "type": "bus.ping"},
                 {"v": 1, "id": "a1", "type": "bus.ping", "status": "ok"},
                 {"v": 1, "id": "r1", "type": "exec.read", "status": "stream"},
                 {"stream": "stdout", "offset": 0, "length": 4, "eof": False}, b"hell",
                 {"v": 1, "id": "c1", "type": "stream.credit"}, {"id": "r1", "bytes": 4},
                 b"o\n", {"offset": 0, "next": 6, "eof": True}):
        wanted = (said if isinstance(said, bytes) else msgpack.packb(said)).hex(" ")
        if wanted not in written:
            fail("the page does not show %r: %s in\n%s" % (said, wanted, written))


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
    walk_page(runtime, company)
    walk_frames(bus, company)
    walk_schemas(bus)
    walk_refusals(bus, bus_endpoint, paths[0], company)
    walk_many(bus_endpoint, protocol)
    same(instance, bus.ping()["instance"], "it is the same service as at the start")
    follower.catch_up()
    follower.close()
    bus.close()
    print("%d maps held against their schemas" % protocol.checked)


def hold(bus, ask):
    """A lease that ends with its client's silence: its id, and its stream."""
    stream = bus.send("lease.acquire", dict(ask, bind="connection"), credit=100000)
    while True:
        chunk = bus.next(stream)
        same("stream", chunk.status, "a lease that is held")
        if "id" in chunk.body:              # Else where it stands in the queue
            same("active", chunk.body["state"], "it is there")
            return chunk.body["id"], stream


def silent(runtime):
    """Two follow a command that writes nothing, and each holds a lease: one says that it is there, one
    does not."""
    endpoint = "ipc://" + os.path.join(runtime, "bus.sock")
    bus, quiet = Bus(endpoint), Bus(endpoint)
    bus.protocol = quiet.protocol = Protocol(bus.ask("bus.describe"))
    company = "foreign-" + uuid.uuid4().hex[:8]
    environment = bus.ask("environment.create", {
        "companyId": company, "name": "x", "driver": "sandbox", "config": {"provider": "bubblewrap"}})
    lease = bus.ask("lease.acquire", {"companyId": company, "environmentId": environment["id"]})
    started = bus.ask("exec.start", {"leaseId": lease["id"], "command": "cat", "stdin": True})
    follow = {"execId": started["id"], "follow": True}
    ask = {"companyId": company, "environmentId": environment["id"]}
    (held, holding), (dropped, dropping) = (hold(who, ask) for who in (bus, quiet))
    stream, lost = (who.send("exec.read", follow, credit=100) for who in (bus, quiet))
    wait = quiet.send("exec.wait", {"execId": started["id"]})
    begun = time.monotonic()
    while not quiet.socket.poll(5000):
        bus.ask("stream.credit", {"id": stream, "bytes": 0})
        same(True, time.monotonic() < begun + 60, "it ends in time")
    silence = bus.protocol.limits["CLIENT_SILENCE_MS"] / 1000
    if time.monotonic() - begun < silence - 1:
        fail("its stream ended after %.1f s" % (time.monotonic() - begun))
    same("deadline_exceeded", quiet.next(lost).body.get("code"), "the end of a silent client's stream")
    same("deadline_exceeded", quiet.next(dropping).body.get("code"), "the end of its lease's stream")
    ends = time.monotonic() + 30
    while bus.ask("lease.get", {"leaseId": dropped})["state"] != "expired":
        same(True, time.monotonic() < ends, "its lease ends")
    same("active", bus.ask("lease.get", {"leaseId": held})["state"], "the other's goes on")
    bus.ask("stream.cancel", {"id": holding})
    same(held, bus.next(holding).body["id"], "until it lets go")
    while bus.ask("lease.get", {"leaseId": held})["state"] != "expired":
        same(True, time.monotonic() < ends, "which ends that one, too")
    bus.ask("exec.write", {"execId": started["id"], "eof": True}, data=b"still here")
    same(b"still here", bus.next(stream).data, "the other goes on")
    same("ok", bus.next(stream).status, "to its end")
    same("ended", quiet.next(wait).body["state"], "nothing else is lost")
    same(b"still here", quiet.ask_all("exec.read", follow)[0].data, "it reads on where it was")
    bus.ask("lease.release", {"leaseId": lease["id"]})


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["silent"]):
        sys.exit("foreign_client.py RUNTIME_DIRECTORY [silent]")
    try:
        (silent if sys.argv[2:] else main)(sys.argv[1])
    except (AssertionError, Failed):
        traceback.print_exc()
        zmq.Context.instance().destroy(0)
        sys.exit(1)

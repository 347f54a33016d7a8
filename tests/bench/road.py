"""Figures of the road: one client, one place. Each a function of the bench that returns its rows."""
import os
import shutil
import subprocess
import time

from measure import (NotMeasured, Row, Service, column, descendants, p99, pss_bytes, samples, scaled,
                     stat)

GIB = 1 << 30
ECHO = ["/usr/bin/echo", "hello"]


def lease_get(bench):
    """lease.get round trip, 1 client, ipc; against a raw ROUTER-DEALER round trip"""
    count = 2000
    refs, values, reason = bench.interleave(
        lambda: column(samples(bench.program("ref_roundtrip"), bench.scratch.endpoint(), count)),
        lambda service: column(service.client("lease-get", count)))
    refs, values = scaled(refs, 1e-3), scaled(values, 1e-3)
    return [Row("lease.get p50", "us", ("<=", 1.4), refs, values, reason)]


def acquire(bench):
    """lease.acquire (driver local), 1 client, ipc; against one synced LMDB commit"""
    count = 300
    refs, values, reason = bench.interleave(
        lambda: column(samples(bench.program("ref_commit"), bench.scratch.new("c"), count)),
        lambda service: column(service.client("acquire", count)))
    refs, values = scaled(refs, 1e-3), scaled(values, 1e-3)
    return [Row("lease.acquire p50", "us", ("<=", 1.7), refs, values, reason)]


def acquire_64(bench):
    """lease.acquire operations per second with 64 clients; against 1 client"""
    one, many = 300, 6400

    def ours(service):
        # Both halves are ours: the single client's round stands right beside the many's.
        lone = one * 1e9 / service.many("acquire", one, 1)
        return [lone, many * 1e9 / service.many("acquire", many, 64)]
    _, pairs, reason = bench.interleave(lambda: None, ours)
    refs, values = [[pair[0]] for pair in pairs], [[pair[1]] for pair in pairs]
    return [Row("lease.acquire, 64 clients", "op/s", (">=", 12), refs, values, reason)]


def first_byte(bench):
    """acquire bubblewrap + first exec until the first byte, 100 ms apart; against bare bwrap"""
    count, argv = 10 if bench.quick else 25, bench.walls() + ECHO
    refs, values, reason = bench.interleave(
        lambda: column(samples(bench.program("ref_bwrap"), count, 100, *argv)),
        lambda service: column(service.client("first-byte", count, 100, *ECHO)))
    refs, values = scaled(refs, 1e-6), scaled(values, 1e-6)
    return [Row("acquire to first byte p50", "ms", ("<=", 1.5), refs, values, reason),
            Row("acquire to first byte p99", "ms", ("<=", 1.5), refs, values, reason, pool=p99)]


def second_exec(bench):
    """second exec in an open bubblewrap place until its end; against bare bwrap"""
    count, argv = 20, bench.walls() + ECHO
    refs, values, reason = bench.interleave(
        lambda: column(samples(bench.program("ref_bwrap"), count, 20, *argv), 1),
        lambda service: column(service.client("second-exec", count, 20, *ECHO)))
    refs, values = scaled(refs, 1e-6), scaled(values, 1e-6)
    return [Row("second exec p50", "ms", ("<=", 0.35), refs, values, reason)]


def stdout(bench):
    """1 GiB of stdout from a place to a client; against pipe, file, ipc"""
    def reference():
        folder = bench.scratch.new("p")
        lines = samples(bench.program("ref_stream"), bench.scratch.endpoint(), f"{folder}/spool", GIB)
        shutil.rmtree(folder)
        return [GIB / lines[0][0]]
    refs, values, reason = bench.interleave(
        reference, lambda service: [GIB / service.client("stdout", GIB)[0][0]])
    return [Row("1 GiB of stdout", "GB/s", (">=", 0.5), refs, values, reason)]


def memory(bench):
    """idle memory (PSS) of berthd with its spawner, and of one open place (shim and init)"""
    idle, place, why_idle, why_place = [], [], None, None
    for _ in range(bench.rounds):
        try:
            with Service(bench) as service:
                service.client("ping")
                time.sleep(1)               # Idle: its start is over
                before = [service.process.pid] + descendants(service.process.pid)
                idle.append([pss_bytes(before) / (1 << 20)])
                try:
                    place.append([place_bytes(bench, service, before) / (1 << 20)])
                except NotMeasured as why:
                    why_place = str(why)
        except NotMeasured as why:
            why_idle = str(why)
            break
    return [Row("berthd idle", "MiB", ("<=", 8), None, idle, why_idle),
            Row("one open place", "MiB", ("<=", 1.5), None, place, why_place or why_idle)]


def place_bytes(bench, service, before):
    """Opens a place, and counts its shim and its init. (Shims that are parked for the next ones are
    nobody's yet; bwrap's own monitor between the two is bwrap's.)"""
    client = subprocess.Popen([bench.program("bench_client"), "place", service.endpoint],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
    opened = client.stdout.readline().strip() == "open"
    time.sleep(1)                           # Idle, as berthd above: its start is over
    total = 0
    for pid in set(descendants(os.getpid())) - set(before) if opened else []:
        if stat(pid)[0] == "init":
            init = pid
            while stat(pid)[0] != "berth-shim":
                pid = stat(pid)[1]
            total = pss_bytes([pid, init])
    _, said = client.communicate()
    if not total:
        raise NotMeasured((said.strip().splitlines() or ["no place was opened"])[-1])
    return total


def start(bench):
    """start of berthd until its first reply, empty store"""
    values, reason = [], None
    for _ in range(bench.rounds):
        state = bench.scratch.new("s")
        try:
            bench.need_service()
            argv = bench.service_argv(state)
            values.append(column(samples(bench.program("bench_client"), "start",
                                         f"ipc://{state}/bus.sock", *argv)))
        except (NotMeasured, subprocess.TimeoutExpired) as why:
            reason = str(why)
            break
        finally:
            shutil.rmtree(state, ignore_errors=True)
    return [Row("start to first reply", "ms", ("<=", 50), None, scaled(values, 1e-6), reason)]


def restart(bench):
    """start after a kill -9 with 10,000 leases, until one more is acquired (promise 8)"""
    values, reason = [], None
    for _ in range(bench.rounds):
        try:
            with Service(bench) as service:
                service.many("acquire", 10000, 64)
                service.process.kill()
                service.process.wait()
                begun = time.monotonic()
                service.process = subprocess.Popen(bench.service_argv(service.state),
                                                   stdin=subprocess.DEVNULL, stdout=service.log,
                                                   stderr=service.log)
                service.client("acquire", 1)
                values.append([(time.monotonic() - begun) * 1e3])
        except NotMeasured as why:
            reason = str(why)
            break
    return [Row("restart, 10,000 leases", "ms", ("<=", 1000), None, values, reason)]


FIGURES = {"lease-get": lease_get, "acquire": acquire, "acquire-64": acquire_64,
           "first-byte": first_byte, "second-exec": second_exec, "stdout": stdout,
           "memory": memory, "start": start, "restart": restart}

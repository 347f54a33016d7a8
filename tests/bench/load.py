"""Figures under load: many clients, many places, a large store. Each a function of the bench that
returns its rows."""
import json
import os
import shutil
import socket
import subprocess
import time

from beside import beside
from measure import NotMeasured, Row, Service, column, descendants, p99, pss_bytes, samples, scaled, stat


class Flood:
    """Another company, which sends as much as it can, for as long as this is open."""

    def __init__(self, service, *arguments):
        #  It yields to the service and to whom is measured, as clients on other machines would.
        argv = ["nice", "-n", "19", service.bench.program("bench_client"), "flood", service.endpoint]
        self.process = subprocess.Popen(argv + [str(word) for word in arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        if self.process.stdout.readline().strip() != "flooding":
            _, said = self.process.communicate()
            raise NotMeasured((said.strip().splitlines() or ["the flood ended"])[-1])
        return self

    def __exit__(self, *_):
        self.said, _ = self.process.communicate()


def flood(bench):
    """p99 of lease.get of a well-behaved client while another company floods; against the same when quiet"""
    count, rows = 2000, []
    for what, request in (("reads", "lease.get"), ("writes", "lease.acquire")):
        quiet, flooded, reason = [], [], None
        try:
            with Service(bench) as service:
                for _ in range(bench.rounds):
                    quiet.append(column(service.client("lease-get", count)))
                    with Flood(service, 4, 256, request) as other:
                        flooded.append(column(service.client("lease-get", count)))
                    if not int(other.said.split()[0]):
                        raise NotMeasured("the flood was refused as a whole")
        except (NotMeasured, subprocess.TimeoutExpired) as why:
            reason = str(why)
        rows.append(Row(f"lease.get p99, a flood of {what}", "us", ("<=", 3), scaled(quiet, 1e-3),
                        scaled(flooded, 1e-3), reason, pool=p99))
    return rows


class Floor:
    """ref_floor on an empty folder."""

    def __init__(self, bench):
        self.endpoint = bench.scratch.endpoint()
        self.bench = bench
        self.process = subprocess.Popen([bench.program("ref_floor"), self.endpoint, bench.scratch.new("f")],
                                        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.process.stdout.readline()

    def many(self, operation, count, clients):
        return samples(self.bench.program("bench_many"), operation, self.endpoint, count, clients)[0][0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def throughput(bench, figure, operation, count):
    refs, values, reason = [], [], None
    with Floor(bench) as floor:
        try:
            with Service(bench) as service:
                for _ in range(bench.rounds):
                    refs.append([count * 1e9 / floor.many(operation, count, 64)])
                    values.append([count * 1e9 / service.many(operation, count, 64)])
        except (NotMeasured, subprocess.TimeoutExpired) as why:
            reason = str(why)
    return Row(figure, "op/s", (">=", 0.7), refs, values, reason)


def writes(bench):
    """lease.acquire and lease.renew, operations per second with 64 clients; against a floor that writes the same rows"""
    rows = [throughput(bench, "lease.acquire, 64 clients", "acquire", 12800),
            throughput(bench, "lease.acquire with keys, 64 clients", "keyed", 12800),
            throughput(bench, "lease.renew, 64 clients", "renew", 25600)]
    return rows + beside(bench)


def publish(bench):
    """publisher catching up on 200,000 entries, to 1, 10, 100 subscribers; against a raw PUB, same size"""
    rows, entries = [], 200000
    for subscribers in (1, 10, 100):
        refs, values, reason = [], [], None

        def rate(who):
            ns, heard = samples(bench.program("bench_publish"), who, bench.scratch.new("p"),
                                bench.scratch.endpoint(), subscribers, entries)[0]
            return [heard * 1e9 / ns]
        try:
            for _ in range(min(bench.rounds, 3)):
                refs.append(rate("raw"))
                values.append(rate("ours"))
        except (NotMeasured, subprocess.TimeoutExpired) as why:
            reason = str(why)
        rows.append(Row(f"publisher to {subscribers}", "msg/s", (">=", 0.5), refs, values, reason))
    return rows


def places(bench):
    """places opened and closed per second, 4 at once; against bare bwrap, 4 at once"""
    count, each, argv = 80, 20, bench.walls() + ["/usr/bin/echo", "x"]

    def bare():
        begun = time.monotonic()
        runs = [subprocess.Popen([str(word) for word in [bench.program("ref_bwrap"), each, 1] + argv],
                                 stdout=subprocess.DEVNULL) for _ in range(count // each)]
        if any([run.wait() for run in runs]):
            raise NotMeasured("ref_bwrap failed")
        return [count / (time.monotonic() - begun)]
    refs, values, reason = bench.interleave(
        bare, lambda service: [count * 1e9 / service.many("places", count, 4)])
    return [Row("places opened and closed", "1/s", (">=", 0.8), refs, values, reason)]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        words = file.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def of_berth(pids):
    """Those that are Berth's own: berthd, spawner, shims, inits."""
    ours = ("berthd", "berth-spawner", "berth-shim", "init")
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}") and stat(pid)[0] in ours]


def crowd(bench):
    """1,000 execs open at once in 10 places, a line a second each: memory per exec, CPU of berthd"""
    places_, each, memory, cpu, reason = 10, 100, [], [], None
    try:
        with Service(bench) as service:
            client = subprocess.Popen([bench.program("bench_crowd"), service.endpoint, str(places_),
                                       str(each)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)

            def hear(word):
                if client.stdout.readline().strip() != word:
                    raise NotMeasured((client.communicate()[1].strip().splitlines() or [word])[-1])
            hear("places")
            time.sleep(1)                   # Idle: its start is over
            before = pss_bytes(of_berth(descendants(os.getpid())))
            client.stdin.write("go\n")
            client.stdin.flush()
            hear("execs")
            time.sleep(2)
            for _ in range(min(bench.rounds, 5)):
                begun, used = time.monotonic(), cpu_seconds(service.process.pid)
                time.sleep(3)
                used = cpu_seconds(service.process.pid) - used
                cpu.append([100 * used / (time.monotonic() - begun)])
                now = pss_bytes(of_berth(descendants(os.getpid())))
                memory.append([(now - before) / 1024 / (places_ * each)])
            client.communicate()
    except (NotMeasured, subprocess.TimeoutExpired) as why:
        reason = str(why)
    return [Row("memory of one exec of 1,000", "KiB", ("<=", 64), None, memory, reason),
            Row("CPU of berthd, 1,000 execs", "%", ("<=", 10), None, cpu, reason)]


def large(bench):
    """lease.get, lease.list, lease.acquire with 1,000,000 leases in the store; against 1,000"""
    operations = {"lease.get": ("lease-get", 1000), "lease.list": ("lease-list", 300),
                  "lease.acquire": ("acquire", 200)}
    found = {name: ([], []) for name in operations}
    reason, crowded = None, {"BENCH_COMPANY": "crowd"}
    try:
        with Service(bench, leases=1000) as small, Service(bench, leases=1000000) as big:
            for _ in range(bench.rounds):
                for name, (operation, count) in operations.items():
                    for service, rounds in zip((small, big), found[name]):
                        rounds.append(column(service.client(operation, count, env=crowded)))
    except (NotMeasured, subprocess.TimeoutExpired) as why:
        reason = str(why)
    return [Row(f"{name}, 1,000,000 leases", "us", ("<=", 1.3), scaled(refs, 1e-3),
                scaled(values, 1e-3), reason) for name, (refs, values) in found.items()]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def curve(bench):
    """lease.get round trip over TCP with CURVE, 1 client; against a raw ROUTER-DEALER over TCP with CURVE"""
    count, refs, values, reason = 1500, [], [], None
    doors = 'doors\n    net\n        id = net\n        bus = "tcp://127.0.0.1:*"\n' \
            '        events = "tcp://127.0.0.1:*"\nlocalOverTcp = true\n'
    try:
        with Service(bench, configuration=doors) as service:
            service.client("ping")
            key = os.path.join(service.state, "bench.zcert")
            berth = [bench.program("berth"), "--endpoint", service.endpoint]
            subprocess.run(berth + ["key", "new", "bench", "--roles", "operator", "--companies", "*",
                                    "--file", key], check=True, capture_output=True)
            info = json.loads(subprocess.run(berth + ["--json", "bus", "info"], check=True,
                                             capture_output=True).stdout)
            for _ in range(bench.rounds):
                refs.append(column(samples(bench.program("ref_roundtrip"), f"tcp://127.0.0.1:{free_port()}",
                                           count, "curve")))
                service.check()
                values.append(column(samples(bench.program("bench_client"), "lease-get",
                                             info["networkBus"], count, env={"BENCH_KEY_FILE": key})))
    except (NotMeasured, subprocess.SubprocessError) as why:
        reason = str(why)
    return [Row("lease.get p50, TCP with CURVE", "us", ("<=", 1.4), scaled(refs, 1e-3),
                scaled(values, 1e-3), reason)]


def expiry(bench):
    """a tick that ends 16 leases, of 10,000, 100,000, 1,000,000 live ones; against one of 1,000"""
    sizes, found, reason = (1000, 10000, 100000, 1000000), {}, None
    orders = {"next": ("taken one after the other", ("<=", 1.5)), "any": ("from all over the store", None)}
    try:
        states = {size: bench.scratch.new("expiry") for size in sizes}
        for size, state in states.items():
            samples(bench.program("fill_store"), state, size, 1)
        for _ in range(min(bench.rounds, 3)):
            for order in orders:
                for size, state in states.items():
                    lines = samples(bench.program("bench_expiry"), state, order, 16, 8)
                    found.setdefault((order, size), []).append(column(lines))
        for state in states.values():
            shutil.rmtree(state)
    except (NotMeasured, subprocess.TimeoutExpired) as why:
        reason = str(why)
    return [Row(f"tick, {size:,} leases, {what}", "us", goal,
                scaled(found.get((order, sizes[0]), []), 1e-3), scaled(found.get((order, size), []), 1e-3),
                reason)
            for order, (what, goal) in orders.items() for size in sizes[1:]]


FIGURES = {"expiry": expiry, "writes": writes, "publish": publish, "places": places, "crowd": crowd, "large": large,
           "flood": flood, "curve": curve}

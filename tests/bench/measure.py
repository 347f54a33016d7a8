"""What all figures share: programs, a service on an empty store, rounds, rows."""
import glob
import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class NotMeasured(Exception):
    """Why a figure has no value."""


# ---- programs and processes

def samples(*argv, env=None):
    """Runs a program; its lines, as lists of numbers."""
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=600, env={**os.environ, **(env or {})})
    if done.returncode != 0:
        last = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise NotMeasured(f"{os.path.basename(argv[0])}: {last[-1]}")
    return [[int(word) for word in line.split()] for line in done.stdout.splitlines()]


def column(lines, index=0):
    return [line[index] for line in lines]


def descendants(pid):
    """All processes below pid. We are a subreaper: orphans of a service come to us."""
    found, todo = [], [pid]
    while todo:
        for path in glob.glob(f"/proc/{todo.pop()}/task/*/children"):
            try:
                with open(path) as file:
                    children = [int(word) for word in file.read().split()]
            except OSError:
                continue
            found += children
            todo += children
    return found


def stat(pid):
    """Name and parent of a process."""
    with open(f"/proc/{pid}/stat") as file:
        text = file.read()
    return text[text.index("(") + 1:text.rindex(")")], int(text[text.rindex(")"):].split()[2])


def pss_bytes(pids):
    """Proportional memory of a set of processes."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
        except OSError:
            continue
    return total


class Scratch:
    """A folder beside the build, removed afterwards."""

    def __init__(self, build):
        self.path = tempfile.mkdtemp(prefix="bench-", dir=build)
        os.chmod(self.path, 0o711)          # uids of places pass through
        self.made = 0

    def new(self, name):
        self.made += 1
        path = os.path.join(self.path, f"{name}{self.made}")
        os.mkdir(path)
        return path

    def endpoint(self):
        self.made += 1
        return f"ipc://{self.path}/{self.made}"


class Service:
    """A berthd for as long as one figure takes, on an empty store, or on one of so many leases."""

    def __init__(self, bench, leases=0, configuration=None):
        bench.need_service()
        self.bench = bench
        self.state = bench.scratch.new("s")
        if leases:
            samples(bench.program("fill_store"), self.state, leases)
        self.endpoint = f"ipc://{self.state}/bus.sock"
        self.log = open(os.path.join(self.state, "log"), "w+")
        argv = bench.service_argv(self.state)
        if configuration:
            with open(os.path.join(self.state, "conf"), "w") as file:
                file.write(configuration)
            argv += ["--config", file.name]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)

    def check(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            last = self.log.read().strip().splitlines() or ["it said nothing"]
            raise NotMeasured(f"berthd ended with {self.process.returncode}: {last[-1]}")

    def client(self, operation, *arguments, env=None):
        self.check()
        return samples(self.bench.program("bench_client"), operation, self.endpoint, *arguments, env=env)

    def many(self, operation, count, clients):
        """Nanoseconds that so many operations of so many clients took."""
        self.check()
        return samples(self.bench.program("bench_many"), operation, self.endpoint, count, clients)[0][0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.client("shutdown")
            self.process.wait(timeout=15)
        except (NotMeasured, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        for pid in descendants(os.getpid()):        # Nothing of ours stays, whatever went wrong
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.log.close()
        shutil.rmtree(self.state, ignore_errors=True)


class Bench:
    def __init__(self, build, rounds, quick):
        self.build, self.rounds, self.quick = build, rounds, quick
        self.scratch = Scratch(build)

    def program(self, name):
        return os.path.join(self.build, name)

    def need_service(self):
        if not os.access(self.program("berthd"), os.X_OK):
            raise NotMeasured("berthd not built")

    def service_argv(self, state):
        return [self.program("berthd"), "--state", state, "--runtime", state, "--local-root"]

    def walls(self):
        """The same walls as the provider's: what ref_bwrap needs to build them without Berth."""
        folder = self.scratch.new("walls")
        os.chmod(folder, 0o711)
        uid, network = samples(self.program("bench_walls"), folder, self.program("berth-init"))[0]
        return [folder, uid, network]

    def interleave(self, reference, ours):
        """Lists of samples per round: the reference's, ours, and why ours has none."""
        refs, values, reason = [], [], None
        try:
            service = Service(self)
        except NotMeasured as why:
            service, reason = None, str(why)
        try:
            for _ in range(self.rounds):
                refs.append(reference())
                if not reason:
                    try:
                        values.append(ours(service))
                    except (NotMeasured, subprocess.TimeoutExpired) as why:
                        reason = str(why)
        finally:
            if service:
                service.__exit__()
        return refs, values, reason


# ---- rows

class Row:
    """One line of the table. goal is ('<=' or '>=', limit) of the ratio, or of the value itself
    where there is no reference (refs is None); None: it is only told."""

    def __init__(self, figure, unit, goal, refs=None, values=None, reason=None, pool=None):
        self.absolute = refs is None
        self.figure, self.unit, self.goal, self.reason = figure, unit, goal, reason
        middle = pool or statistics.median
        pick = (lambda rounds: pool(sum(rounds, []))) if pool else (
            lambda rounds: statistics.median(statistics.median(one) for one in rounds))
        self.rounds = len(values or [])
        self.reference = pick(refs) if refs else None
        self.value = pick(values) if values and not reason else None
        self.ratio = self.value / self.reference if self.value and self.reference else None
        self.spread = None
        if self.ratio:
            each = [middle(value) / middle(ref) for ref, value in zip(refs, values)]
            self.spread = (min(each), max(each))
        elif self.value and values:
            each = [statistics.median(one) for one in values]
            self.spread = (min(each), max(each))
        held = self.value if self.absolute else self.ratio
        self.met = held is not None and (not goal or (held <= goal[1] if goal[0] == "<="
                                                      else held >= goal[1]))

    def json(self):
        row = {"figure": self.figure, "value": self.value, "reference": self.reference,
               "ratio": self.ratio, "goal": self.goal and f"{self.goal[0]} {self.goal[1]}", "met": self.met,
               "rounds": self.rounds, "unit": self.unit, "spread": self.spread}
        if self.reason:
            row["reason"] = self.reason
        return json.dumps(row)

    def cells(self):
        def number(value, unit=""):
            return "-" if value is None else f"{value:.4g}{' ' + unit if unit else ''}"
        goal = "-" if not self.goal else (
            f"{self.goal[0]} {self.goal[1]}" + (f" {self.unit}" if self.absolute else ""))
        met = f"no: {self.reason}" if self.reason else "-" if not self.goal else "yes" if self.met else "no"
        spread = f"{self.spread[0]:.3g}..{self.spread[1]:.3g}" if self.spread else "-"
        return [self.figure, number(self.value, self.unit), number(self.reference, self.unit),
                number(self.ratio), spread, goal, met]


def p99(values):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def scaled(rounds, factor):
    return [[value * factor for value in one] for one in rounds]

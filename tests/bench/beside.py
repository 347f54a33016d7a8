"""Other stores, where they are installed: the same durable insert with 64 clients, for comparison.
They set no goal."""
import os
import shutil
import subprocess
import time

from measure import NotMeasured, Row

VALUE = 1024                                    # Bytes of a lease, its entry and their indexes
PATHS = os.environ["PATH"] + ":/usr/sbin:/usr/lib/postgresql/15/bin"


def found(*programs):
    return all(shutil.which(program, path=PATHS) for program in programs)


class Server:
    """A server of another project in a folder of its own, ended afterwards."""

    def __init__(self, argv, ready, **options):
        self.process = subprocess.Popen([shutil.which(argv[0], path=PATHS)] + argv[1:],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, **options)
        until = time.monotonic() + 20
        while not ready():
            if self.process.poll() is not None or time.monotonic() > until:
                self.__exit__()
                raise NotMeasured(f"{argv[0]} does not start")
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def text(*argv, **options):
    done = subprocess.run([shutil.which(argv[0], path=PATHS)] + [str(word) for word in argv[1:]],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, **options)
    if done.returncode:
        raise NotMeasured((done.stderr.strip().splitlines() or [f"{argv[0]} failed"])[-1])
    return done.stdout


def redis(folder, rounds):
    socket = os.path.join(folder, "s")
    argv = ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", folder, "--save", "",
            "--appendonly", "yes", "--appendfsync", "always"]
    with Server(argv, lambda: os.path.exists(socket)):
        for _ in range(rounds):
            said = text("redis-benchmark", "-s", socket, "-c", 64, "-n", 20000, "-d", VALUE, "-r", 10000000,
                        "-t", "set", "--csv")
            yield float(said.strip().splitlines()[-1].split(",")[1].strip('"'))


def postgresql(folder, rounds):
    options = {"cwd": folder}
    if os.geteuid() == 0:                       # It refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        options["user"], options["group"], options["extra_groups"] = "postgres", "postgres", []
    data, script = os.path.join(folder, "d"), os.path.join(folder, "insert.sql")
    text("initdb", "-D", data, "-A", "trust", "-U", "bench", **options)
    with open(script, "w") as file:
        file.write("INSERT INTO lease VALUES (gen_random_uuid (), repeat ('x', %d));\n" % VALUE)
    os.chmod(script, 0o644)
    reach = ["-h", folder, "-U", "bench", "-d", "postgres"]

    def ready():
        return subprocess.run([shutil.which("pg_isready", path=PATHS)] + reach,
                              stdout=subprocess.DEVNULL).returncode == 0
    argv = ["postgres", "-D", data, "-k", folder, "-h", "", "-c", "synchronous_commit=on"]
    with Server(argv, ready, **options):
        text("psql", *reach, "-c", "CREATE TABLE lease (id uuid PRIMARY KEY, row text)", **options)
        for _ in range(rounds):
            said = text("pgbench", *reach[:4], "-n", "-c", 64, "-j", 2, "-T", 3, "-f", script, "postgres",
                        **options)
            yield next(float(line.split()[2]) for line in said.splitlines() if line.startswith("tps"))


def etcd(folder, rounds):
    socket, script = "127.0.0.1:23790", os.path.join(folder, "put.lua")
    with open(script, "w") as file:
        file.write('local n = 0\nwrk.method = "POST"\nfunction request ()\n  n = n + 1\n'
                   '  local key = string.format ("%016x%016x", n, math.random (2147483647))\n'
                   '  return wrk.format (nil, "/v3/kv/put", nil, \'{"key":"\' .. key .. \'","value":"'
                   + "eHh4" * (VALUE // 3) + '"}\')\nend\n')
    argv = ["etcd", "--data-dir", os.path.join(folder, "d"), "--listen-client-urls", f"http://{socket}",
            "--advertise-client-urls", f"http://{socket}", "--listen-peer-urls", "http://127.0.0.1:23800"]

    def ready():
        return subprocess.run([shutil.which("etcdctl", path=PATHS), f"--endpoints={socket}", "endpoint",
                               "health"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env={**os.environ, "ETCDCTL_API": "3"}).returncode == 0
    with Server(argv, ready):
        for _ in range(rounds):
            said = text("wrk", "-c", 64, "-t", 2, "-d", "3s", "-s", script, f"http://{socket}")
            yield next(float(line.split()[1]) for line in said.splitlines() if "Requests/sec" in line)


OTHERS = (("Redis, appendfsync always", redis, ("redis-server", "redis-benchmark")),
          ("PostgreSQL", postgresql, ("initdb", "postgres", "pgbench", "psql")),
          ("etcd, by its gateway", etcd, ("etcd", "etcdctl", "wrk")))


def beside(bench):
    rows = []
    for name, run, programs in OTHERS:
        if not found(*programs):
            continue
        values, reason = [], None
        try:
            values = [[value] for value in run(bench.scratch.new("o"), min(bench.rounds, 3))]
        except (NotMeasured, OSError, subprocess.SubprocessError) as why:
            reason = str(why)
        rows.append(Row(f"  beside: {name}", "op/s", None, None, values, reason))
    return rows

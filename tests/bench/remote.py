"""Figures of driver ssh, against plain ssh over a master connection to the same sshd on loopback."""
import os
import pwd
import signal
import socket
import subprocess
import time

from measure import NotMeasured, Row, column

SSHD = "/usr/sbin/sshd"


def scaled(rounds, factor):
    return [[value * factor for value in one] for one in rounds]


class Host:
    """An sshd, an agent that holds the only key it takes, and a master connection for the reference."""

    def __init__(self, bench):
        if not os.access(SSHD, os.X_OK):
            raise NotMeasured("no sshd is installed")
        self.folder = bench.scratch.new("h")
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.at(name)],
                           check=True)
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        with open(self.at("config"), "w") as file:
            file.write(f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.at('host')}\n"
                       f"PidFile none\nAuthorizedKeysFile {self.at('user.pub')}\nStrictModes no\n"
                       "UsePAM no\nPermitRootLogin yes\nMaxSessions 100\nMaxStartups 200\n"
                       "SetEnv SHLVL=1\n")
        with open(self.at("host.pub")) as file:
            self.known = f"[127.0.0.1]:{self.port} {file.read().strip()}"
        with open(self.at("known"), "w") as file:
            file.write(self.known + "\n")
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.sshd = subprocess.Popen([SSHD, "-D", "-f", self.at("config")], **quiet)
        self.agent = subprocess.Popen(["ssh-agent", "-D", "-a", self.at("agent")], **quiet)
        self.until(lambda: socket.create_connection(("127.0.0.1", self.port)).close())
        os.environ.update(SSH_AUTH_SOCK=self.at("agent"), BENCH_SSH_PORT=str(self.port),
                          BENCH_SSH_USER=self.user, BENCH_SSH_BASE=self.at("places"),
                          BENCH_SSH_KNOWN=self.known)
        self.until(lambda: subprocess.run(["ssh-add", "-q", self.at("user")], check=True, **quiet))
        self.plain = ["ssh", "-T", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={self.at('known')}",
                      "-S", self.at("m"), "-p", str(self.port), f"{self.user}@127.0.0.1"]
        subprocess.run(self.plain[:1] + ["-M", "-N", "-f"] + self.plain[1:], check=True, **quiet)

    def at(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def until(works):
        for _ in range(1000):
            try:
                works()
                return
            except (OSError, subprocess.CalledProcessError):
                time.sleep(0.01)
        raise NotMeasured("sshd or ssh-agent does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(self.plain[:1] + ["-O", "exit"] + self.plain[1:], capture_output=True)
        for process in (self.sshd, self.agent):
            process.send_signal(signal.SIGTERM)
            process.wait()
        os.environ.pop("SSH_AUTH_SOCK", None)

    def one(self, count):
        samples = []
        for _ in range(count):
            begun = time.monotonic_ns()
            subprocess.run(self.plain + ["echo", "x"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, check=True)
            samples.append(time.monotonic_ns() - begun)
        return samples

    def crowd(self, size, count):
        samples = []
        for _ in range(count):
            begun = time.monotonic_ns()
            all_of_them = [subprocess.Popen(self.plain + ["echo", "x"], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL) for _ in range(size)]
            if any(one.wait() for one in all_of_them):
                raise NotMeasured("a plain ssh failed")
            samples.append(time.monotonic_ns() - begun)
        return samples


def exec_of_one(bench):
    """an exec in an open ssh place until its end; against plain ssh over a warm master"""
    with Host(bench) as host:
        refs, values, reason = bench.interleave(
            lambda: host.one(20),
            lambda service: column(service.client("ssh-exec", 20, 20, "echo", "x")))
    refs, values = scaled(refs, 1e-6), scaled(values, 1e-6)
    return [Row("ssh exec p50", "ms", ("<=", 1.5), refs, values, reason)]


def exec_of_fifty(bench):
    """50 execs at once in one ssh place; against 50 plain ssh over one master"""
    with Host(bench) as host:
        refs, values, reason = bench.interleave(
            lambda: host.crowd(50, 2),
            lambda service: column(service.client("ssh-crowd", 2, 50, "echo", "x")))
    refs, values = scaled(refs, 1e-6), scaled(values, 1e-6)
    return [Row("50 ssh execs at once", "ms", ("<=", 1.3), refs, values, reason)]


FIGURES = {"ssh-exec": exec_of_one, "ssh-crowd": exec_of_fifty}

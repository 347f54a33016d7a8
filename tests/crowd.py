#  crowd.py - many providers beside one that is ill: what do acquires at the others cost, with and
#  without it?
#
#      crowd.py BERTHD STATE [ROUNDS]
#
#  A provider `fault` hangs, fails, answers garbage and lies in its lists, in as many
#  calls as it takes; 63 others answer at once, without opening anything, so that the time of an
#  acquire is the service's own. Prints "without" and "with" and a time in ns, one per line.

import subprocess
import sys
import time

from foreign_bus import Bus, Failed, fail

HEALTHY = 63
ILL = [{"do": "never"}, {"do": "hang"}, {"do": "fail"}, {"do": "garbage"}]


class Crowd:
    def __init__(self, program, state):
        self.state, self.endpoint = state, "ipc://%s/run/bus.sock" % state
        with open(state + "/conf", "w") as conf:
            conf.write("testProviders = true\ntestFaults = %d\nsweep\n    every = 1\n    age = 3600\n"
                       % HEALTHY)
        with open(state + "/log", "w") as log:
            self.process = subprocess.Popen(
                [program, "--config", state + "/conf", "--state", state, "--runtime", state + "/run"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.bus = Bus(self.endpoint)

    def environment(self, provider, verbs):
        faults = [dict(rule, verb=verb) for verb, rule in verbs]
        return self.bus.ask("environment.create", {
            "companyId": "crowd", "name": provider, "driver": "sandbox",
            "config": {"provider": provider, "faults": faults}})["id"]

    def acquire(self, environment, **more):
        return self.bus.ask("lease.acquire", dict({"companyId": "crowd", "environmentId": environment},
                                                  **more))["id"]

    def round(self, environments, name):
        for environment in environments:
            begun = time.monotonic_ns()
            lease = self.acquire(environment)
            took = time.monotonic_ns() - begun
            print(name, took)
            self.bus.ask("lease.release", {"leaseId": lease})

    def make_ill(self):
        """Each way of being ill, by environments of its own: some are left alone after a while."""
        for rule in ILL:
            for _ in range(6):
                sick = self.environment("fault", [("acquire", rule), ("list", {"do": "garbage"})])
                for _ in range(4):
                    try:
                        self.acquire(sick, wait=False)
                    except Failed as error:
                        if error.code != "provider_unavailable":
                            raise

    def hanging(self):
        rows = self.bus.ask("bus.stats", {})["providers"]
        return next(row["calls"] for row in rows if row["name"] == "fault")

    def stop(self):
        self.process.terminate()
        if self.process.wait(timeout=12) < 0:
            fail("berthd did not stop by itself")


def main():
    program, state = sys.argv[1], sys.argv[2]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    crowd = Crowd(program, state)
    try:
        well = [crowd.environment("fault-%d" % (nth + 1),
                                  [("acquire", {"do": "lie"}), ("release", {"do": "lie"})])
                for nth in range(HEALTHY)]
        crowd.round(well, "warm")
        for _ in range(rounds):
            crowd.round(well, "without")
        for _ in range(rounds):
            crowd.make_ill()
            if not crowd.hanging():
                fail("the provider that is to be ill has no call under way")
            crowd.round(well, "with")
    finally:
        crowd.stop()


main()

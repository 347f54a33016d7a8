"""Figures of files on their way: 10,000 files, 200 MB, to a place on this host and home."""
import os
import shutil
import subprocess
import time

from measure import NotMeasured, Row, column, samples

FILES, FOLDERS, SIZE = 10000, 100, 20000


def make_tree(folder):
    block = os.urandom(SIZE + FILES)
    for index in range(FILES):
        if index % (FILES // FOLDERS) == 0:
            inner = os.path.join(folder, f"d{index // (FILES // FOLDERS):03}")
            os.mkdir(inner)
        path = os.path.join(inner, f"f{index:05}")
        with open(path, "wb") as file:
            file.write(block[index:index + SIZE])
        os.utime(path, (1700000000, 1700000000))    # Old: its time proves that it is the same


def ms(lines):
    return [value / 1e6 for value in column(lines)]


def timed(argv, **options):
    os.sync()
    begun = time.monotonic()
    if subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options).returncode:
        raise NotMeasured(f"{argv[0]} failed")
    return [(time.monotonic() - begun) * 1000]


class Tree:
    """The tree, and a place that it was realized into."""

    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.scratch.new("tree")
        self.source, self.place, self.snapshot = (os.path.join(self.folder, name) for name in
                                                  ("source", "place", "snapshot"))
        os.mkdir(self.source)
        make_tree(self.source)
        self.realize()

    def realize(self):
        os.sync()
        return ms(samples(self.bench.program("bench_tree"), "realize", self.source, self.place, self.snapshot))

    def anew(self):
        shutil.rmtree(self.place, ignore_errors=True)
        if os.path.exists(self.snapshot):
            os.unlink(self.snapshot)
        return self.realize()

    def tar(self):
        to = os.path.join(self.folder, "tar")
        shutil.rmtree(to, ignore_errors=True)
        os.mkdir(to)
        return timed(["sh", "-c", f"tar -C '{self.source}' -cf - . | tar -C '{to}' -xf -"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)


def realize(bench):
    """realize of 10,000 files, 200 MB: against tar | tar; unchanged, against the first time"""
    firsts, tars, agains = [], [], []
    with Tree(bench) as tree:
        for _ in range(bench.rounds):
            tars.append(tree.tar())
            firsts.append(tree.anew())
            agains.append(tree.realize())
    return [Row("realize", "ms", ("<=", 1.3), tars, firsts),
            Row("realize-again", "ms", ("<=", 0.05), firsts, agains)]


def give_back(bench):
    """return of one changed file out of 10,000: against rsync -a --checksum"""
    refs, values, reason = [], [], None if shutil.which("rsync") else "rsync is not installed"
    with Tree(bench) as tree:
        changed = os.path.join(tree.place, "d050", "f05000")
        program = tree.bench.program("bench_tree")
        for _ in range(0 if reason else bench.rounds):
            for times, who in ((refs, "rsync"), (values, "ours")):
                with open(changed, "wb") as file:
                    file.write(os.urandom(SIZE))
                if who == "rsync":
                    times.append(timed(["rsync", "-a", "--checksum", tree.place + "/", tree.source + "/"]))
                    tree.realize()      # What rsync brought is what the snapshot knows from here on
                else:
                    os.sync()
                    times.append(ms(samples(program, "return", tree.place, tree.snapshot, tree.source)))
                    with open(changed, "rb") as there, open(os.path.join(tree.source, "d050", "f05000"), "rb") as here:
                        if there.read() != here.read():
                            raise NotMeasured("the file did not come home")
                    tree.realize()
    if reason:
        return [Row("return-one", "ms", ("<=", 1.5), None, None, reason)]
    return [Row("return-one", "ms", ("<=", 1.5), refs, values)]


FIGURES = {"realize": realize, "return-one": give_back}

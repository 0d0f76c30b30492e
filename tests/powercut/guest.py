"""Runs inside the guest, in two phases: `record SECONDS DURABILITY SEGMENT_BYTES FS` a workload,
`replay SEED CUTS WORKER WORKERS FS` the power cuts."""

import os
import pickle
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))
os.environ["no_proxy"] = "127.0.0.1"

import dm
import leat_server
import pagecache
import verify
import workload
import writelog

WORK, DISK = Path("/run/work"), "/run/disk"
DATA = DISK + "/data"


def mount(fs, device):
    dm.run("mount", "-t", fs, "-o", "noatime", device, DISK)


def check_direct(durability):
    """Frames are to be written past the page cache, or the cuts would try another way than that of a real disk."""
    segments = list(Path(DATA, "log").glob("*.seg"))
    counts = [pagecache.pages(path) for path in segments]
    cached, total = (sum(column) for column in zip(*counts)) if counts else (0, 0)
    print(f"SEGMENTS {len(segments)}, {cached} of {total} pages in the page cache")
    assert durability != "commit" or 0 < 4 * cached < total, "the frames went through the page cache"


def record(seconds, durability, segment_bytes, fs):
    """ubda: the formatted disk; ubdb: the log."""
    size = dm.sectors("/dev/ubda")
    device = dm.create("recorded", f"0 {size} log-writes /dev/ubda /dev/ubdb")
    marker = dm.Marker("recorded")
    mount(fs, device)
    server = leat_server.Server(data=DATA, args=["--durability", durability])
    server.environment = {"LEAT_SEGMENT_BYTES": segment_bytes}
    server.start()
    try:
        history = workload.run(server.port, marker, float(seconds))
        check_direct(durability)
    finally:
        print(server.output())
        server.kill()
    marker.mark("end")
    dm.run("umount", DISK)
    dm.remove("recorded")
    (WORK / "history").write_bytes(pickle.dumps(history))


def choose_cuts(entries, seed, cuts, worker, workers):
    end = next(i for i, entry in enumerate(entries) if entry.mark == "end")
    rng = random.Random(seed)
    chosen = sorted(rng.randrange(1, end + 1) for _ in range(cuts))
    return chosen[cuts * worker // workers:cuts * (worker + 1) // workers]


def last_mark(entries, cut):
    for entry in reversed(entries[:cut]):
        if entry.mark and entry.mark.startswith("a"):
            return int(entry.mark[1:])
    return 0


class Base:
    """ubdc: the disk up to the last flush in front of a cut; it only moves on."""

    def __init__(self, entries, log):
        self.entries, self.log, self.done = entries, log, 0
        self.fd = os.open("/dev/ubdc", os.O_RDWR)

    def move_to(self, flushed):
        for entry in self.entries[self.done:flushed]:
            writelog.apply(entry, self.log, lambda at, data: os.pwrite(self.fd, data, at))
        self.done = max(self.done, flushed)
        os.fsync(self.fd)


def try_cut(base, cut, rng, history, fs):
    """What is wrong after a power cut behind `cut` entries, and the acknowledged records looked for."""
    flushed = writelog.last_flush(base.entries, cut)
    base.move_to(flushed)
    os.system("dd if=/dev/zero of=/dev/ubdd bs=4096 count=1 conv=notrunc 2>/dev/null")  # An empty store of the snapshot.
    device = dm.create("cut", f"0 {dm.sectors('/dev/ubdc')} snapshot /dev/ubdc /dev/ubdd P 8")
    server = mounted = None
    try:
        fd = os.open(device, os.O_RDWR)
        writelog.apply_unflushed(base.entries, flushed, cut, base.log, lambda at, data: os.pwrite(fd, data, at), rng)
        os.fsync(fd)
        os.close(fd)
        mount(fs, device)
        mounted = True
        server = leat_server.Server(data=DATA)
        server.start()
        return verify.check(server.port, *history, last_mark(base.entries, cut))
    except Exception as error:
        return [f"{type(error).__name__}: {error}"[:2000] + (server.output() if server and server.process else "")], 0
    finally:
        if server and server.process:
            server.kill()
        if mounted:
            dm.run("umount", DISK)
        dm.remove("cut")


def replay(seed, cuts, worker, workers, fs):
    entries = writelog.read_entries("/run/work/log")
    history = pickle.loads((WORK / "history").read_bytes())
    total = failed = tried = 0
    with open("/run/work/log", "rb") as log:
        base = Base(entries, log)
        for cut in choose_cuts(entries, int(seed), int(cuts), int(worker), int(workers)):
            wrong, acknowledged = try_cut(base, cut, random.Random(f"{seed}-{cut}-{tried}"), history, fs)
            tried, total, failed = tried + 1, total + acknowledged, failed + bool(wrong)
            print(f"cut {cut} of {len(entries)}: {acknowledged} acknowledged, {len(wrong)} wrong", *wrong[:10], sep="\n  ",
                  flush=True)
    print(f"RESULT {tried} {total} {failed}")


if __name__ == "__main__":
    tempfile.tempdir = "/run"
    {"record": record, "replay": replay}[sys.argv[1]](*sys.argv[2:])

"""Power cuts on a real kernel and file system, in a user-mode-linux guest; no root is needed, nothing of the host is touched.

usage: powercut.py [--cuts N] [--seconds S] [--seed N] [--jobs N] [--durability MODE] [--segment BYTES] [--fs NAME] [--keep DIR]
Prints what is wrong and the sums; exit 1 when something is, 77 when it cannot run here.
"""

import argparse
import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
DISK_MIB, LOG_MIB = 384, 1536
MKFS = {"ext4": ["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,nodiscard"], "xfs": ["mkfs.xfs", "-q", "-K"],
        "btrfs": ["mkfs.btrfs", "-q", "-K"]}
BINARY = os.environ.get("LEAT_BIN", str(HERE.parents[1] / "build" / "release" / "leat"))
NEEDED = {"linux.uml": "user-mode-linux", "dmsetup": "dmsetup", "insmod": "kmod"}
MAKERS = {"ext4": "e2fsprogs", "xfs": "xfsprogs", "btrfs": "btrfs-progs"}


def missing(fs):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    lacking = [package for command, package in {**NEEDED, MKFS[fs][0]: MAKERS[fs]}.items() if not shutil.which(command, path=path)]
    if lacking:
        return "not installed: " + " ".join(lacking)
    if not list(Path("/usr/lib/uml/modules").glob("*/kernel/drivers/md/dm-log-writes.ko")):
        return "the kernel of user-mode-linux has no dm-log-writes"
    return None


def sparse(path, mib):
    with open(path, "wb") as f:
        f.truncate(mib << 20)
    return path


def start_guest(work, phase, disks):
    """The guest's console goes to a file; what it did stands in `phase`.out and .rc of its directory."""
    work.mkdir(exist_ok=True)
    command = ["linux.uml", "mem=1024M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet", "con=null",
               "con0=null,fd:1", f"init={HERE}/init.sh", f"work={work}", f"tests={HERE}", "LEAT_BIN=/run/work/leat",
               f"phase={phase[0]}", *(f"{name}={path}" for name, path in disks.items())]
    (work / "arguments").write_text(" ".join(phase))
    console = open(work / "console", "wb")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                               env={**os.environ, "TMPDIR": str(work)})
    atexit.register(end_guest, process)
    return process


def end_guest(process):
    """With all its processes: a guest is a session of its own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def finish_guest(process, work, phase, timeout):
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        end_guest(process)
    try:
        return (work / f"{phase}.rc").read_text().strip() == "0", (work / f"{phase}.out").read_text(errors="replace")
    except OSError:
        return False, "the guest did not run: " + (work / "console").read_text(errors="replace")[-3000:]


def record(work, options):
    shutil.copy(BINARY, work / "leat")
    disk = sparse(work / "disk", DISK_MIB)
    make, *how = MKFS[options.fs]
    subprocess.run([f"/usr/sbin/{make}", *how, str(disk)], check=True)
    shutil.copyfile(disk, work / "formatted")
    phase = ["record", str(options.seconds), options.durability, str(options.segment), options.fs]
    guest = start_guest(work, phase, {"ubd0": disk, "ubd1": sparse(work / "log", LOG_MIB)})
    return finish_guest(guest, work, "record", 120 + 10 * options.seconds)


def replay(work, options):
    guests = []
    for i in range(options.jobs):
        own = work / f"replay-{i}"
        own.mkdir()
        for name in ("log", "history", "leat"):
            os.link(work / name, own / name)
        shutil.copyfile(work / "formatted", own / "base")
        phase = ["replay", str(options.seed), str(options.cuts), str(i), str(options.jobs), options.fs]
        guests.append((own, start_guest(own, phase, {"ubd2": own / "base", "ubd3": sparse(own / "cow", DISK_MIB)})))
    return [finish_guest(guest, own, "replay", 120 + 20 * options.cuts) for own, guest in guests]


def report(results, cuts):
    sums = [0, 0, 0]
    for ok, out in results:
        last = out.strip().split("\n")[-1].split()
        if ok and last[:1] == ["RESULT"]:
            sums = [a + int(b) for a, b in zip(sums, last[1:])]
        print("\n".join(line for line in out.split("\n") if not line.endswith(" 0 wrong") and "RESULT" not in line))
    print(f"{sums[0]} power cuts, {sums[1]} acknowledged records looked for, {sums[2]} cuts with something wrong")
    return 0 if sums[0] == cuts and sums[2] == 0 and sums[1] > 0 else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cuts", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--durability", default="commit", help="of the recorded leat; `os` and `memory` must lose records")
    parser.add_argument("--segment", type=int, default=1 << 20, help="bytes of a segment of the log, so that many begin and end; 0: as usual")
    parser.add_argument("--fs", choices=MKFS, default="ext4")
    parser.add_argument("--keep", help="leave images, logs and outputs in this new directory")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    why = missing(options.fs)
    if why:
        print(f"SKIP: {why}")
        return 77
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    work = Path(options.keep or tempfile.mkdtemp(prefix="leat-powercut-", dir=shm)).resolve()
    work.mkdir(exist_ok=True)
    try:
        ok, out = record(work, options)
        if not ok:
            print(f"The workload failed:\n{out}")
            return 1
        print("\n".join(line for line in out.split("\n") if line.startswith("SEGMENTS")))
        return report(replay(work, options), options.cuts)
    finally:
        if not options.keep:
            shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())

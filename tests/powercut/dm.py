"""The device mapper of the guest."""

import fcntl
import struct
import subprocess

TARGET_MESSAGE = 0xC138FD0E
HEADER = 312  # Bytes of struct dm_ioctl.


def sectors(device):
    return int(subprocess.run(["blockdev", "--getsz", device], check=True, capture_output=True).stdout)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")


def create(name, table):
    run("dmsetup", "create", name, "--noudevsync", "--table", table)
    return f"/dev/mapper/{name}"


def remove(name):
    run("dmsetup", "remove", "--noudevsync", name)


class Marker:
    """Writes marks into the log of a dm-log-writes device; any thread."""

    def __init__(self, name):
        self.name = name.encode()
        self.control = open("/dev/mapper/control", "rb+", buffering=0)

    def mark(self, text):
        message = struct.pack("<Q", 0) + f"mark {text}".encode() + b"\0"
        size = HEADER + len(message)
        header = struct.pack("<3IIIIiIIIQ128s129s7x", 4, 0, 0, size, HEADER, 0, 0, 0, 0, 0, 0, self.name, b"")
        fcntl.ioctl(self.control, TARGET_MESSAGE, bytearray(header + message))

"""What dm-log-writes recorded, and the disks that a power cut could have left.

Format: a superblock of one sector (magic, version, entries, sector size), then for each entry a header of one sector
(sector, sectors, flags, bytes of data; of a mark its text) and the sectors of data.
"""

import struct

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
SECTOR = 512


class Entry:
    __slots__ = ("sector", "count", "flags", "offset", "mark")

    def __init__(self, sector, count, flags, offset, mark):
        self.sector, self.count, self.flags, self.offset, self.mark = sector, count, flags, offset, mark


def read_entries(path):
    """All entries; `offset` is where the data of one lies in the file."""
    with open(path, "rb") as f:
        magic, version, count, size = struct.unpack("<QQQI", f.read(28))
        if (magic, version, size) != (MAGIC, 1, SECTOR):
            raise ValueError(f"{path}: not a log of dm-log-writes with sectors of {SECTOR} bytes")
        entries, offset = [], SECTOR
        for _ in range(count):
            f.seek(offset)
            header = f.read(SECTOR)
            sector, sectors, flags, length = struct.unpack_from("<QQQQ", header)
            offset += SECTOR
            if flags & MARK:
                entries.append(Entry(0, 0, flags, offset, header[32:32 + length].rstrip(b"\0").decode()))
            else:
                entries.append(Entry(sector, sectors, flags, offset, None))
                if not flags & DISCARD:
                    offset += sectors * SECTOR
        return entries


def last_flush(entries, cut):
    """How many of the first `cut` entries are surely on the disk: those in front of the last flush."""
    for i in range(cut - 1, -1, -1):
        if entries[i].flags & FLUSH:
            return i + 1
    return 0


def apply(entry, log, write):
    """`write(byte offset, data)`"""
    if entry.mark is not None or entry.flags & DISCARD or entry.count == 0:
        return
    log.seek(entry.offset)
    write(entry.sector * SECTOR, log.read(entry.count * SECTOR))


def apply_part(entry, log, write, rng):
    """Some of the sectors: the write was torn."""
    log.seek(entry.offset)
    for i in range(entry.count):
        data = log.read(SECTOR)
        if rng.random() < 0.5:
            write((entry.sector + i) * SECTOR, data)


def apply_unflushed(entries, first, cut, log, write, rng):
    """Any subset of what was not flushed yet: none, all, or each write there, missing or torn."""
    keep, torn = rng.choice([(0, 0), (1, 0), (0.5, 0), (0.25, 0.25), (0.5, 0.5)])
    for entry in entries[first:cut]:
        luck = rng.random()
        if entry.flags & FUA or luck < keep:
            apply(entry, log, write)
        elif luck < keep + torn and not entry.flags & (DISCARD | MARK):
            apply_part(entry, log, write, rng)

"""How much of files the page cache holds: what was written past it is not in there."""

import ctypes
import mmap
import os


def pages(path):
    """(cached, all)"""
    size = os.path.getsize(path)
    if size == 0:
        return 0, 0
    count = (size + mmap.PAGESIZE - 1) // mmap.PAGESIZE
    with open(path, "rb") as f, mmap.mmap(f.fileno(), size, access=mmap.ACCESS_COPY) as view:
        there = (ctypes.c_ubyte * count)()
        start = (ctypes.c_char * size).from_buffer(view)
        failed = ctypes.CDLL(None, use_errno=True).mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size), there)
        del start
        if failed:
            raise OSError(ctypes.get_errno(), "mincore")
    return sum(byte & 1 for byte in there), count

"""CBOR frames made by hand: an encoder with both kinds of length, and a strict decoder."""

import struct


class Raw(bytes):
    """Encoded already."""


class Time(int):
    """Tag 1 with whole milliseconds."""


class Pairs(list):
    """A map as a list of pairs, so that names can repeat."""


def head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | info]) + number.to_bytes(size, "big")
    raise ValueError(number)


def encode(value, is_open=False):
    """is_open: lists and maps of indefinite length, as the SDKs for Java write them."""
    if isinstance(value, Raw):
        return bytes(value)
    if value is None or value is True or value is False:
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, Time):
        return b"\xc1" + encode(int(value))
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    is_map = isinstance(value, (dict, Pairs))
    items = list(value.items()) if isinstance(value, dict) else list(value)
    body = b"".join(b"".join(encode(part, is_open) for part in item) if is_map
                    else encode(item, is_open) for item in items)
    major = 5 if is_map else 4
    return (bytes([major << 5 | 31]) + body + b"\xff" if is_open
            else head(major, len(items)) + body)


def open_text(*pieces):
    return Raw(b"\x7f" + b"".join(encode(piece) for piece in pieces) + b"\xff")


def open_bytes(*pieces):
    return Raw(b"\x5f" + b"".join(encode(piece) for piece in pieces) + b"\xff")


def take(data, at):
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    number = info
    if 24 <= info <= 27:
        size = 1 << (info - 24)
        number = int.from_bytes(data[at:at + size], "big")
        at += size
    else:
        assert info < 24 or info == 31, info
    if major in (0, 1):
        return (number if major == 0 else -1 - number), at
    if major in (2, 3):
        piece = data[at:at + number]
        assert info != 31 and len(piece) == number
        return (piece if major == 2 else piece.decode()), at + number
    if major == 6:
        assert number == 1 and data[at] >> 5 in (0, 1), "a time must be a whole number"
        value, at = take(data, at)
        return Time(value), at
    if major == 7:
        return {20: False, 21: True, 22: None}[info], at
    out = []
    while data[at] != 0xFF if info == 31 else len(out) < number:
        item, at = take(data, at)
        if major == 5:
            value, at = take(data, at)
            item = (item, value)
        out.append(item)
    at += 1 if info == 31 else 0
    if major == 5:
        assert len(dict(out)) == len(out)
        return dict(out), at
    return out, at


def decode(data):
    value, at = take(data, 0)
    assert at == len(data)
    return value

#!/usr/bin/env python3
"""Writes the console's files into a C source: embed_console.py OUT.c FILE...

Each file is kept gzipped. All but index.html get a name with a hash of their bytes, so that a browser
may keep them for ever; index.html is changed to ask for those names.
"""

import gzip
import hashlib
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def tag(data):
    return hashlib.sha256(data).hexdigest()[:16]


def entry(name, path, data):
    packed = gzip.compress(data, 9, mtime=0)
    rows = [packed[at:at + 24] for at in range(0, len(packed), 24)]
    body = ",\n".join(", ".join(str(byte) for byte in row) for row in rows)
    variable = f"bytes_of_{name.replace('.', '_').replace('-', '_')}"
    kept = "false" if name == "index.html" else "true"
    fields = f'"{path}", "{TYPES[pathlib.Path(name).suffix]}", "\\"{tag(data)}\\"", {variable}, {len(packed)}, {kept}'
    return f"static const u8 {variable}[] = {{\n{body}}};\n", f"    {{{fields}}},\n"


def main():
    out, *files = sys.argv[1:]
    data = {pathlib.Path(f).name: pathlib.Path(f).read_bytes() for f in files}
    names = {}
    for name, content in data.items():
        stem, suffix = name.rsplit(".", 1)
        names[name] = name if name == "index.html" else f"{stem}.{tag(content)}.{suffix}"
    page = data["index.html"]
    for name, hashed in names.items():
        if name != "index.html":
            if page.count(f'"{name}"'.encode()) != 1:
                sys.exit(f"index.html does not ask for {name} exactly once")
            page = page.replace(f'"{name}"'.encode(), f'"{hashed}"'.encode())
    data["index.html"] = page
    arrays, entries = "", ""
    for name, content in data.items():
        path = "/_leat/" if name == "index.html" else f"/_leat/{names[name]}"
        array, line = entry(name, path, content)
        arrays += array
        entries += line
    pathlib.Path(out).write_text(
        "/* Made by tools/embed_console.py. */\n#include \"console/console_int.h\"\n\n"
        f"{arrays}\nconst struct console_asset console__assets[] = {{\n{entries}}};\n"
        f"const isize console__asset_count = {len(data)};\n")


main()

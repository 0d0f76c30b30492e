#!/usr/bin/env python3
"""Text files as C strings: embed_text.py OUT.c FILE...; NAME.sql becomes `const char demo_NAME_sql[]`."""
import pathlib
import sys


def literal(line):
    escaped = "".join(c if 32 <= ord(c) < 127 and c not in '\\"?' else "".join(f"\\{b:03o}" for b in c.encode())
                      for c in line)
    return f'    "{escaped}"'


def main():
    out, files = pathlib.Path(sys.argv[1]), sys.argv[2:]
    parts = ['#include "cli/demo_int.h"']
    for name in files:
        path = pathlib.Path(name)
        lines = "\n".join(literal(line) for line in path.read_text(encoding="utf-8").splitlines(keepends=True))
        parts.append(f"const char demo_{path.stem}_sql[] =\n{lines};")
    out.write_text("\n\n".join(parts) + "\n")


main()

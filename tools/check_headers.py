#!/usr/bin/env python3
"""Each header below src/ compiles alone."""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-Isrc",
         "-isystem/usr/share/include/llhttp", "-x", "c", "-"]


def check(header):
    source = f'#include "{header.relative_to(ROOT / "src")}"\n'
    run = subprocess.run(["gcc", *FLAGS], input=source, text=True, cwd=ROOT, capture_output=True)
    return header, run.returncode, run.stderr


def main():
    headers = sorted((ROOT / "src").rglob("*.h"))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, code, text in pool.map(check, headers):
            if code != 0:
                print(f"{header.relative_to(ROOT)} does not compile alone:\n{text}")
                failed += 1
    return 1 if failed else 0


sys.exit(main())

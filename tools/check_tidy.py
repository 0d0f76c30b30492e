#!/usr/bin/env python3
"""clang-tidy over src/, with a cache by content in build/tidy-cache.

Usage: check_tidy.py BUILD_DIR [FILE...]
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = ROOT / "build" / "tidy-cache"


def commands(build):
    entries = json.loads((ROOT / build / "compile_commands.json").read_text())
    for entry in entries:
        file = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if (ROOT / "src") in file.parents:
            yield file, entry


def digest(file, entry):
    """Of the preprocessed text: what clang-tidy would see."""
    words = [w for w in entry["command"].split() if w not in ("ccache", "-c")]
    for flag in ("-o", "-MF", "-MQ"):
        while flag in words:
            at = words.index(flag)
            del words[at:at + 2]
    words = [w for w in words if w != "-MD"] + ["-E", "-P"]
    run = subprocess.run(words, cwd=entry["directory"], capture_output=True)
    settings = (ROOT / ".clang-tidy").read_bytes()
    return hashlib.sha256(run.stdout + settings).hexdigest() if run.returncode == 0 else None


def check(build, file, entry):
    key = digest(file, entry)
    if key and (CACHE / key).exists():
        return file, ""
    run = subprocess.run(["clang-tidy", "--quiet", "-p", str(ROOT / build), str(file),
                          "--extra-arg=-Wno-unknown-warning-option"],
                         cwd=ROOT, text=True, capture_output=True)
    if run.returncode == 0 and key:
        (CACHE / key).touch()
    return file, run.stdout if run.returncode != 0 else ""


def main():
    build, only = sys.argv[1], {pathlib.Path(f).resolve() for f in sys.argv[2:]}
    CACHE.mkdir(parents=True, exist_ok=True)
    work = [(f, e) for f, e in commands(build) if not only or f in only]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, text in pool.map(lambda item: check(build, *item), work):
            if text:
                print(text)
                failed += 1
    return 1 if failed else 0


sys.exit(main())

#!/usr/bin/env python3
"""What compilers and clang-format do not say: length of files, banned calls, marks of unfinished work.

`--self-test` plants one of each and expects it to be found.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINES_MAX = 1200
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|alloca|tmpnam|mktemp|"
                    r"setjmp|longjmp|system|popen)\s*\(")
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
SLASHES = re.compile(r"(?<!:)//(?!/)")
STRINGS = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'')
GENERATED = {"src/feed/tables.c"}


def strip(text):
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    return STRINGS.sub('""', text)


def check(name, text):
    lines = text.count("\n")
    if lines > LINES_MAX and name not in GENERATED:
        yield 1, f"{lines} lines; {LINES_MAX} at most: split it by idea"
    for number, line in enumerate(text.splitlines(), 1):
        if MARKS.search(line):
            yield number, "mark of unfinished work: make it an issue"
    for number, line in enumerate(strip(text).splitlines(), 1):
        banned = BANNED.search(line)
        if banned and "/" in name and not name.startswith("tests/"):
            yield number, f"{banned.group(1)}() is banned"
        if SLASHES.search(line):
            yield number, "comments are /* */"


def self_test():
    planted = ["int f;\n" * (LINES_MAX + 1), "/* TO" "DO: later */\n",
               "void f(char *a) { strcpy(a, a); }\n", "int a; // b\n"]
    for text in planted:
        if not list(check("src/x.c", text)):
            print(f"check_style: did not find the planted {text[:40]!r}")
            return 1
    return 0


def main():
    if "--self-test" in sys.argv:
        return self_test()
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=ROOT, text=True,
                           capture_output=True, check=True).stdout.split()
    found = 0
    for name in files:
        if not (ROOT / name).exists():
            continue
        for number, problem in check(name, (ROOT / name).read_text(encoding="utf-8")):
            print(f"{name}:{number}: {problem}")
            found += 1
    return 1 if found else 0


sys.exit(main())

#!/usr/bin/env python3
"""Writes the reference of docs/cli.md from the table of commands that leat parses.

Usage: cli_docs.py LEAT [--check]
"""
import pathlib
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "cli.md"
MARK = "<!-- From here on made by tools/cli_docs.py. -->\n"


def main():
    made = subprocess.run([sys.argv[1], "completion", "markdown"], capture_output=True, text=True, check=True).stdout
    head, mark, old = PAGE.read_text().partition(MARK)
    wanted = "\n" + made.rstrip() + "\n"
    if "--check" in sys.argv[2:]:
        if not mark or old != wanted:
            raise SystemExit("docs/cli.md is not what tools/cli_docs.py makes of the table of commands")
        return
    PAGE.write_text(head + MARK + wanted)


main()

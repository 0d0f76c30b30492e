#!/usr/bin/env python3
"""Holds src/ to src/LAYERS.

Refused: an include of a module that the including module's line does not name; another module's
`_int.h`; a system-call header outside os/ (libuv and libcurl only in net/, SQLite only in aws/);
one service or connector that includes its sibling; a module-private name (`module__name`) used by
another module. `--self-test` plants one of each and expects it to be found.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
PRIVATE = re.compile(r"\b([a-z][a-z0-9]*(?:_[a-z0-9]+)?)__([a-z]\w*)")
SYSTEM = re.compile(r"^(unistd|fcntl|poll|signal|dirent|sched|spawn|termios|pwd|netdb|dlfcn|"
                    r"sys/.*|netinet/.*|arpa/.*|linux/.*)\.h$")
ONLY_IN = {"uv.h": {"net"}, "curl/curl.h": {"net"}, "llhttp.h": {"net"}, "nghttp2/nghttp2.h": {"net"},
           "sqlite3.h": {"aws"}, "pthread.h": {"os", "base"}}
FAMILIES = {"aws": {"common"}, "connect": {"common"}}


def read_layers(text):
    layers, seen = {}, []
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, _, allowed = (part.strip() for part in line.partition(":"))
        for other in allowed.split():
            if other not in seen:
                raise SystemExit(f"LAYERS: {name} names {other}, which is not on a line above")
        layers[name] = set(allowed.split())
        seen.append(name)
    return layers


def check_include(path, kind, target, layers):
    module = path[0]
    if kind == "<" or "/" not in target:
        if target in ONLY_IN and module not in ONLY_IN[target]:
            return f"<{target}> belongs in {'/'.join(sorted(ONLY_IN[target]))}"
        if SYSTEM.match(target) and module not in ("os", "net"):
            return f"system header <{target}> outside os/"
        return None
    parts = target.split("/")
    if parts[0] not in layers:
        return None
    if parts[0] != module and parts[0] not in layers[module]:
        return f'"{target}": {module} may not include {parts[0]}'
    if parts[0] != module and target.endswith("_int.h"):
        return f'"{target}" is private to {parts[0]}'
    shared = FAMILIES.get(module)
    if shared is not None and parts[0] == module and len(parts) > 2 and len(path) > 2:
        if parts[1] != path[1] and parts[1] not in shared:
            return f'"{target}": {path[1]} may not include its sibling {parts[1]}'
    return None


def check_text(path, text, layers):
    """path: parts below src/. Yields (line, problem)."""
    for match in INCLUDE.finditer(text):
        problem = check_include(path, match.group(1), match.group(2), layers)
        if problem:
            yield text.count("\n", 0, match.start()) + 1, problem
    code = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    for match in PRIVATE.finditer(code):
        owner = match.group(1)
        if owner in layers and owner != path[0]:
            yield code.count("\n", 0, match.start()) + 1, f"{match.group(0)} is private to {owner}"


def self_test(layers):
    planted = [
        (("base", "x.c"), '#include "os/os.h"\n'),
        (("stream", "x.c"), '#include "log/log_int.h"\n'),
        (("data", "x.c"), "#include <unistd.h>\n"),
        (("engine", "x.c"), "#include <uv.h>\n"),
        (("aws", "s3", "x.c"), '#include "aws/sns/sns.h"\n'),
        (("stream", "x.c"), "void f(void) { log__write(); }\n"),
    ]
    for path, text in planted:
        if not list(check_text(path, text, layers)):
            print(f"check_layers: did not find the planted {text!r} in {path}")
            return 1
    good = (("stream", "x.c"), '#include "log/log.h"\n#include <string.h>\n')
    return 1 if list(check_text(*good, layers)) else 0


def main():
    layers = read_layers((ROOT / "src" / "LAYERS").read_text())
    if "--self-test" in sys.argv:
        return self_test(layers)
    found = 0
    for file in sorted((ROOT / "src").rglob("*.[ch]")):
        path = file.relative_to(ROOT / "src").parts
        if path[0] not in layers:
            print(f"src/{'/'.join(path)}: module {path[0]} has no line in LAYERS")
            found += 1
            continue
        for line, problem in check_text(path, file.read_text(encoding="utf-8"), layers):
            print(f"src/{'/'.join(path)}:{line}: {problem}")
            found += 1
    return 1 if found else 0


sys.exit(main())

"""The table of docs/internals/hostile.md: each number of the catalogue stands there once, with tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "internals" / "hostile.md"
ROW = re.compile(r"^\| (\d+) \|[^|]*\|([^|]*)\|$", re.M)
NAMED = re.compile(r"`(\w+\.(?:py|c|mjs))(?:::([\w ]+))?`")
LAST = 122


def numbers_of(text):
    text = re.sub(r"\([^()]*\)", "", text)
    out = []
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", text):
        out += range(int(first), int(last or first) + 1)
    return out


def paragraph(page, start):
    return re.search(rf"^{start}[^:]*:(.*?)\.$", page, re.M | re.S)[1]


def is_there(file, function):
    places = list(TESTS.rglob(file))
    if function is None:
        return places != []
    form = {"py": r"^def {}\(", "c": r"\bcmocka_unit_test(?:_\w+)?\(\s*{}\b", "mjs": r"^test\(\"{}\""}[file.rsplit(".")[-1]]
    return any(re.search(form.format(function), place.read_text(), re.M) for place in places)


def test_each_number_stands_there_once():
    page = PAGE.read_text()
    found = [int(number) for number, _ in ROW.findall(page)]
    assert found == sorted(found)
    for start in ("Of what leat does not have yet", "Of other parts"):
        found += numbers_of(paragraph(page, start))
    assert sorted(found) == list(range(1, LAST + 1))


def test_each_test_exists():
    for number, tests in ROW.findall(PAGE.read_text()):
        named = NAMED.findall(tests)
        assert named and NAMED.sub("", tests).strip(" ,") == "", f"{number}: {tests}"
        assert [f"{file}::{function}" for file, function in named if not is_there(file, function or None)] == [], number


def test_each_fuzz_target_stands_there():
    targets = {path.name for path in (TESTS / "fuzz").glob("*_fuzz.c")}
    section = PAGE.read_text().split("## Parsers", 1)[1]
    assert set(re.findall(r"`(\w+_fuzz\.c)`", section)) == targets
    built = (TESTS / "fuzz" / "meson.build").read_text()
    assert [name for name in targets if f"files('{name}'" not in built] == []

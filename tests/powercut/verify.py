"""What must hold of a leat that started on the disk a power cut left."""

import hashlib
import json
import time

import history
import workload


def known_at(puts, mark):
    """The puts as their clients knew them when mark number `mark` was the last on the disk."""
    known = []
    for put in puts:
        copy = workload.Put(put.writer, put.number, put.length)
        copy.place = put.place if put.mark is not None and put.mark <= mark else None
        known.append(copy)
    return known


def is_known(step, mark):
    return step[3] is not None and step[3] <= mark


def check_streams(names, steps, mark):
    wrong = []
    created = {s[1]: is_known(s, mark) for s in steps if s[0] == "create"}
    deleted = {s[1]: is_known(s, mark) for s in steps if s[0] == "delete"}
    for name, known in created.items():
        if known and name not in deleted and name not in names:
            wrong.append(f"lost: stream {name}")
        if deleted.get(name) and name in names:
            wrong.append(f"back again: deleted stream {name}")
    return wrong + [f"phantom: stream {name}" for name in names if name not in created]


def check_objects(port, steps, mark):
    """Each object has the last version that was answered, or one that was asked for later."""
    allowed = {}
    for _, name, digest, at in (s for s in steps if s[0] == "object"):
        if at is not None and at <= mark:
            allowed[name] = [digest]
        else:
            allowed.setdefault(name, [None]).append(digest)
    wrong = []
    for name, digests in allowed.items():
        status, body = workload.http_call(port, "GET", f"/cuts/{name}")
        found = hashlib.sha256(body).hexdigest() if status == 200 else None
        if status not in (200, 404) or found not in digests:
            wrong.append(f"object {name}: status {status}, {len(body)} bytes, no version that may be there")
    return wrong


def ids(port, stream):
    return [json.loads(data)["id"] for page in history.read_all(port, stream) for _, data in page]


def check_job(port, names, steps, mark):
    """The output has each record of the input once, in order."""
    if "in" not in names:
        return []
    known = {int(s[1]) for s in steps if s[0] == "input" and is_known(s, mark)}
    source = ids(port, "in")
    wrong = [f"lost: input {i}" for i in sorted(known - set(source))]
    if source != sorted(set(source)):
        wrong.append("the input is repeated or reordered")
    if not any(s[0] == "job" and is_known(s, mark) for s in steps):
        return wrong
    deadline = time.monotonic() + 30
    while (out := ids(port, "out")) != source and time.monotonic() < deadline and len(out) <= len(source):
        time.sleep(0.02)
    if out != source:
        wrong.append(f"the job made {len(out)} records ({len(set(out))} different) of {len(source)}")
    return wrong


def check(port, puts, steps, mark):
    """(list of what is wrong, acknowledged records that were looked for)"""
    names = history.Wire(port).call("ListStreams", Limit=1000)["StreamNames"]
    wrong = check_streams(names, steps, mark)
    known = known_at(puts, mark)
    acknowledged = sum(put.place is not None for put in known)
    if "history" in names:
        wrong += [line[:300] for line in history.check(known, [], history.read_all(port, "history"))]
    elif acknowledged:
        wrong.append(f"lost: the stream of {acknowledged} records")
    wrong += check_job(port, names, steps, mark)
    if mark >= 5:
        wrong += check_objects(port, steps, mark)
    acknowledged += sum(s[0] == "input" and is_known(s, mark) for s in steps)
    return wrong, acknowledged

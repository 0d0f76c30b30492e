"""kill -9 under load, again and again: what the clients were told holds afterwards."""

import random
import threading
import time

import pytest

import history
from conftest import make_client
from leat_server import Server


def put_at(writer, number, place):
    put = history.Put(writer, number)
    put.place = place
    return put


GOOD = [put_at("a", 0, ("s0", 10)), put_at("a", 1, ("s0", 11)), put_at("b", 0, ("s1", 5)), put_at("b", 1, None)]
PAGES = [[(("s0", 10), "a:0"), (("s0", 11), "a:1")], [(("s1", 5), "b:0")]]


@pytest.mark.parametrize("wanted, pages, final", [
    (None, PAGES, PAGES),
    (None, [], [*PAGES[:1], [(("s1", 5), "b:0"), (("s1", 6), "b:1")]]),
    ("lost: a:1 was acknowledged", [], [PAGES[0][:1], PAGES[1]]),
    ("lost: b:1 was read", [[(("s1", 6), "b:1")]], PAGES),
    ("phantom: x:9", [], [*PAGES, [(("s2", 1), "x:9")]]),
    ("repeated: b:0", [], [*PAGES, [(("s2", 1), "b:0")]]),
    ("reordered: a:1", [], [[(("s0", 9), "a:1"), (("s0", 10), "a:0")], PAGES[1]]),
    ("reordered: a page", [PAGES[0][::-1]], PAGES),
    ("unstable", [[(("s0", 10), "a:1")]], PAGES + [[(("s0", 10), "b:1")]]),
])
def test_the_checker_finds(wanted, pages, final):
    wrong = history.check(GOOD, pages, final)
    assert (wrong == []) if wanted is None else any(line.startswith(wanted) for line in wrong), wrong


def run_kills(kills, seed, args=()):
    """Four writers and a reader for each shard while the server is killed at random moments."""
    rng = random.Random(seed)
    server = Server(args=args).start()
    make_client(server, "kinesis").create_stream(StreamName="history", ShardCount=3)
    shards = [f"shardId-{i:012d}" for i in range(3)]
    stop = threading.Event()
    writers = [history.Writer(f"w{i}", server.port, "history", batch, stop) for i, batch in enumerate((1, 3, 40, 400))]
    readers = [history.Reader(server.port, "history", shard, stop) for shard in shards]
    for thread in writers + readers:
        thread.start()
    for _ in range(kills):
        time.sleep(rng.uniform(0.001, 0.08))
        server.kill()
        server.start()
    time.sleep(0.3)
    stop.set()
    for thread in writers + readers:
        thread.join(timeout=30)
        assert not thread.is_alive() and thread.error is None, thread.error
    puts = [put for writer in writers for put in writer.puts]
    final = history.read_all(server.port, "history")
    wrong = history.check(puts, [page for reader in readers for page in reader.pages], final)
    acknowledged = sum(put.place is not None for put in puts)
    server.stop()
    print(f"{kills} kills, {len(puts)} puts, {acknowledged} acknowledged, {sum(map(len, final))} in the stream")
    assert wrong == []
    assert acknowledged > kills, "hardly anything was put between the kills"


def test_kills_under_load():
    run_kills(12, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_kills_under_load(seed):
    """Ten runs make 2,000 kills; each its own, so that the final reading stays short."""
    run_kills(200, seed=100 + seed)

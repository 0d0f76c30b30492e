#!/usr/bin/env python3
"""From the call of PutRecord to the record in the hands of each subscriber of enhanced fan-out.

One thread puts a record of 1 KiB, waits until its acknowledgement and every subscriber's event are there, and puts
the next one 5 ms later. Prints percentiles over all events. Usage: bench/fanout.py ENDPOINT SUBSCRIBERS [records]
"""
import base64
import json
import selectors
import socket
import sys
import time
from urllib.parse import urlsplit

from latency import SIGNED, Kinesis, percentiles

SHARD = "shardId-000000000000"


def request(operation, **body):
    text = json.dumps(body)
    fields = {**SIGNED, "Host": "localhost", "X-Amz-Target": f"Kinesis_20131202.{operation}",
              "Content-Length": len(text)}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n{text}".encode()


def connect(endpoint):
    address = urlsplit(endpoint)
    s = socket.create_connection((address.hostname, address.port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def subscribe(endpoint, kinesis, arn, number):
    made = kinesis("RegisterStreamConsumer", StreamARN=arn, ConsumerName=f"c{number}")
    s = connect(endpoint)
    s.sendall(request("SubscribeToShard", ConsumerARN=made["Consumer"]["ConsumerARN"], ShardId=SHARD,
                      StartingPosition={"Type": "LATEST"}))
    seen = b""
    while b"initial-response" not in seen:
        seen += s.recv(65536)
    return s


def main():
    endpoint, subscribers = sys.argv[1], int(sys.argv[2])
    records = int(sys.argv[3]) if len(sys.argv) > 3 else 500
    kinesis = Kinesis(endpoint)
    name = f"fanout-{subscribers}"
    kinesis("CreateStream", StreamName=name, ShardCount=1)
    arn = kinesis("DescribeStreamSummary", StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    ready = selectors.DefaultSelector()
    for number in range(subscribers):
        ready.register(subscribe(endpoint, kinesis, arn, number), selectors.EVENT_READ, "event")
    putter = connect(endpoint)
    ready.register(putter, selectors.EVENT_READ, "put")
    data = base64.b64encode(bytes(1024)).decode()
    puts, events, last = [], [], []
    for number in range(records):
        key = f"key-{number:06}-"
        body = request("PutRecord", StreamName=name, PartitionKey=key, Data=data)
        wanted = {id(k.fileobj) for k in ready.get_map().values()}
        parts = {}
        start = time.perf_counter()
        putter.sendall(body)
        while wanted:
            for k, _ in ready.select(10):
                part = k.fileobj.recv(1 << 20)
                now = time.perf_counter() - start
                if not part:
                    raise SystemExit("a connection was closed")
                who = id(k.fileobj)
                parts[who] = parts.get(who, b"") + part
                if k.data == "put" and b"SequenceNumber" in parts[who]:
                    puts.append(now)
                    wanted.discard(who)
                elif k.data == "event" and key.encode() in parts[who]:
                    events.append(now)
                    wanted.discard(who)
        last.append(time.perf_counter() - start)
        time.sleep(0.005)
    print(f"{subscribers} subscribers of one shard")
    percentiles("  PutRecord acknowledged", puts)
    percentiles("  event received        ", events)
    percentiles("  the last of them      ", last)


main()

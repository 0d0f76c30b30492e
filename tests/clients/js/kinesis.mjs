// One case of the AWS SDK for JavaScript v3 against leat: node kinesis.mjs ENDPOINT CASE.
// The client is as it comes: its handler speaks HTTP/2 with prior knowledge to http:// endpoints.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import {
  CreateStreamCommand,
  DeregisterStreamConsumerCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  ListStreamsCommand,
  PutRecordCommand,
  PutRecordsCommand,
  RegisterStreamConsumerCommand,
  SplitShardCommand,
  SubscribeToShardCommand,
} from "@aws-sdk/client-kinesis";

const [endpoint, caseName] = process.argv.slice(2);
const client = new KinesisClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  maxAttempts: 1,
});
const send = (command) => client.send(command);
const text = (bytes) => Buffer.from(bytes).toString();

async function makeStream(shards = 1) {
  const StreamName = `js-${randomUUID()}`;
  await send(new CreateStreamCommand({ StreamName, ShardCount: shards }));
  const summary = await send(new DescribeStreamSummaryCommand({ StreamName }));
  return { name: StreamName, arn: summary.StreamDescriptionSummary.StreamARN };
}

async function register(stream, name = "reader") {
  const made = await send(
    new RegisterStreamConsumerCommand({ StreamARN: stream.arn, ConsumerName: name }),
  );
  return made.Consumer.ConsumerARN;
}

const shardName = (index) => `shardId-${String(index).padStart(12, "0")}`;

async function subscribe(ConsumerARN, position = { Type: "TRIM_HORIZON" }, shard = 0) {
  const answer = await send(
    new SubscribeToShardCommand({
      ConsumerARN,
      ShardId: shardName(shard),
      StartingPosition: position,
    }),
  );
  return answer.EventStream;
}

const put = (stream, data, more = {}) =>
  send(
    new PutRecordCommand({
      StreamName: stream.name,
      PartitionKey: "k",
      Data: Buffer.from(data),
      ...more,
    }),
  );

async function* records(events) {
  for await (const { SubscribeToShardEvent: event } of events) {
    for (const record of event.Records) yield record;
  }
}

async function next(iterator) {
  const { value, done } = await iterator.next();
  assert.equal(done, false);
  return text(value.Data);
}

async function failure(promise) {
  try {
    await promise;
  } catch (e) {
    return e.name;
  }
  return "nothing";
}

const cases = {
  async puts_lists_and_gets() {
    assert.equal(client.config.requestHandler.metadata.handlerProtocol, "h2");
    const stream = await makeStream(2);
    const single = await put(stream, "one", { ExplicitHashKey: "0" });
    assert.equal(single.ShardId, shardName(0));
    const batch = await send(
      new PutRecordsCommand({
        StreamName: stream.name,
        Records: Array.from({ length: 500 }, (_, i) => ({
          PartitionKey: "k",
          ExplicitHashKey: "1",
          Data: Buffer.from(`batch-${i}`),
        })),
      }),
    );
    assert.equal(batch.FailedRecordCount, 0);
    const streams = await send(new ListStreamsCommand({ Limit: 10000 }));
    assert.ok(streams.StreamNames.includes(stream.name));
    const shards = await send(new ListShardsCommand({ StreamName: stream.name }));
    assert.equal(shards.Shards.length, 2);
    let it = (
      await send(
        new GetShardIteratorCommand({
          StreamName: stream.name,
          ShardId: shardName(0),
          ShardIteratorType: "TRIM_HORIZON",
        }),
      )
    ).ShardIterator;
    const page = await send(new GetRecordsCommand({ ShardIterator: it }));
    assert.equal(page.Records.length, 501);
    assert.equal(text(page.Records[500].Data), "batch-499");
    assert.ok(Math.abs(page.Records[0].ApproximateArrivalTimestamp - Date.now()) < 60000);
    assert.equal(await failure(put({ name: "not-there" }, "x")), "ResourceNotFoundException");
  },

  async events_are_pushed() {
    const stream = await makeStream();
    const consumer = await register(stream);
    const before = await put(stream, "before");
    const seen = records(await subscribe(consumer));
    const first = (await seen.next()).value;
    assert.equal(text(first.Data), "before");
    assert.equal(first.SequenceNumber, before.SequenceNumber);
    assert.equal(first.PartitionKey, "k");
    for (let i = 0; i < 20; i++) {
      await put(stream, `${i}`);
      assert.equal(await next(seen), `${i}`);
    }
  },

  async it_beats_and_ends_and_goes_on() {
    const stream = await makeStream();
    const consumer = await register(stream);
    let count = 0;
    let last;
    for await (const { SubscribeToShardEvent: event } of await subscribe(consumer, {
      Type: "LATEST",
    })) {
      assert.deepEqual(event.Records, []);
      assert.equal(event.MillisBehindLatest, 0);
      last = event.ContinuationSequenceNumber;
      count++;
    }
    assert.ok(count > 20, `${count} events`);
    await put(stream, "while away");
    const seen = records(
      await subscribe(consumer, { Type: "AFTER_SEQUENCE_NUMBER", SequenceNumber: last }),
    );
    assert.equal(await next(seen), "while away");
  },

  async errors_have_their_names() {
    const stream = await makeStream();
    const consumer = await register(stream);
    const events = await subscribe(consumer);
    assert.equal(await failure(subscribe(consumer)), "ResourceInUseException");
    assert.equal(await failure(subscribe(`${consumer}1`)), "ResourceNotFoundException");
    await send(new DeregisterStreamConsumerCommand({ ConsumerARN: consumer }));
    assert.equal(await failure(records(events).next()), "ResourceNotFoundException");
  },

  async the_end_of_a_shard_names_its_children() {
    const stream = await makeStream();
    const consumer = await register(stream);
    await put(stream, "old");
    const events = await subscribe(consumer);
    const half = (2n ** 127n).toString();
    await send(
      new SplitShardCommand({
        StreamName: stream.name,
        ShardToSplit: shardName(0),
        NewStartingHashKey: half,
      }),
    );
    const all = [];
    let last;
    for await (const { SubscribeToShardEvent: event } of events) {
      all.push(...event.Records.map((r) => text(r.Data)));
      last = event;
    }
    assert.deepEqual(all, ["old"]);
    assert.ok(!last.ContinuationSequenceNumber);
    assert.deepEqual(
      last.ChildShards.map((c) => [c.ShardId, c.ParentShards, c.HashKeyRange.StartingHashKey]),
      [
        [shardName(1), [shardName(0)], "0"],
        [shardName(2), [shardName(0)], half],
      ],
    );
  },

  async many_subscriptions_at_once() {
    const count = 60;
    const stream = await makeStream(count);
    const consumer = await register(stream);
    const shards = await send(new ListShardsCommand({ StreamName: stream.name }));
    const all = await Promise.all(
      shards.Shards.map((_, i) => subscribe(consumer, { Type: "LATEST" }, i)),
    );
    await Promise.all(
      shards.Shards.map((shard, i) =>
        put(stream, `for ${i}`, { ExplicitHashKey: shard.HashKeyRange.StartingHashKey }),
      ),
    );
    const got = await Promise.all(all.map((events) => next(records(events))));
    assert.deepEqual(
      got,
      shards.Shards.map((_, i) => `for ${i}`),
    );
  },

  // The SDK for JavaScript leaves a subscription open; those for Java reset its stream, as here.
  async leaving_many_times_harms_no_other() {
    const stream = await makeStream();
    await put(stream, "first");
    const session = http2.connect(endpoint);
    const open = (ConsumerARN) => {
      const request = session.request({
        ":method": "POST",
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "Kinesis_20131202.SubscribeToShard",
        authorization:
          "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, " +
          "SignedHeaders=host, Signature=00",
      });
      request.end(
        JSON.stringify({
          ConsumerARN,
          ShardId: shardName(0),
          StartingPosition: { Type: "TRIM_HORIZON" },
        }),
      );
      return request;
    };
    const data = async (request, wanted) => {
      for await (const part of request) if (part.toString("latin1").includes(wanted)) return;
      assert.fail("the stream ended");
    };
    const held = open(await register(stream, "held"));
    const restless = await register(stream, "restless");
    for (let left = 0; left < 250; left++) {
      const request = open(restless);
      const signal = AbortSignal.timeout(20_000); // Tells where it hangs, if it does.
      await once(request, "response", { signal });
      request.close(http2.constants.NGHTTP2_CANCEL);
      await once(request, "close", { signal });
    }
    await put(stream, "x", { PartitionKey: "the last one" });
    await data(held, "the last one");
    session.destroy();
  },

  async a_reader_that_pauses_loses_nothing() {
    const stream = await makeStream();
    const slow = await subscribe(await register(stream, "slow"));
    const quick = records(await subscribe(await register(stream, "quick")));
    const total = 3000;
    let taken = 0;
    for (let i = 0; i < total; i += 500) {
      const Records = Array.from({ length: 500 }, (_, k) => ({
        PartitionKey: "k",
        Data: Buffer.from(String(i + k).padEnd(8192, ".")),
      }));
      await send(new PutRecordsCommand({ StreamName: stream.name, Records }));
      for (; taken < i + 500; taken++) await quick.next();
    }
    const late = records(slow);
    for (let i = 0; i < total; i++) {
      assert.equal(parseInt(await next(late)), i);
    }
  },

  async who_does_not_read_is_left_when_the_time_is_up() {
    const stream = await makeStream();
    const consumer = await register(stream);
    for (let i = 0; i < 8; i++) {
      const Records = Array.from({ length: 20 }, () => ({
        PartitionKey: "k",
        Data: Buffer.alloc(50000),
      }));
      await send(new PutRecordsCommand({ StreamName: stream.name, Records }));
    }
    const idle = await subscribe(consumer);
    // A second one can tell when the first has gone: it lasts as long and begins later.
    for await (const _ of await subscribe(await register(stream, "timer"))) {
      // Reads to the end.
    }
    for await (const _ of await subscribe(await register(stream, "again"), { Type: "LATEST" })) {
      // And once more, for the time that it is given to catch up.
    }
    let count = 0;
    const end = await failure(
      (async () => {
        for await (const _ of records(idle)) count++;
      })(),
    );
    assert.notEqual(end, "nothing", `it read ${count} records to a clean end`);
    assert.ok(count < 160);
  },
};

if (caseName === undefined) {
  console.log(Object.keys(cases).join("\n"));
} else {
  await cases[caseName]();
  console.log("ok");
}
process.exit(0);

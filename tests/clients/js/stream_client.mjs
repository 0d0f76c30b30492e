// stream_client.mjs put|get ENDPOINT STREAM KEYS ROUNDS: the SDK for JavaScript v3 with its default transport, HTTP/2.
//
// put: each round writes one record for each key, all acknowledged before the next begins, and prints "round N".
// get: follows the shards from parents to children and prints "KEY ROUND" for each record, until all were seen.
// Calls that fail are made again: the server may go away in between.
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  PutRecordsCommand,
} from "@aws-sdk/client-kinesis";

const [mode, endpoint, StreamName, keys, rounds] = process.argv.slice(2);
const client = new KinesisClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
});
const deadline = Date.now() + 240_000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function persist(makeCommand) {
  for (;;) {
    try {
      return await client.send(makeCommand(), { abortSignal: AbortSignal.timeout(10_000) });
    } catch (error) {
      if (Date.now() > deadline) {
        throw error;
      }
      console.error(`again: ${error}`);
      await sleep(100);
    }
  }
}

async function write() {
  const encoder = new TextEncoder();
  for (let round = 0; round < Number(rounds); round++) {
    let left = Array.from({ length: Number(keys) }, (_, key) => ({
      PartitionKey: `key-${key}`,
      Data: encoder.encode(`key-${key} ${round}`),
    }));
    while (left.length > 0) {
      const Records = left;
      const answer = await persist(() => new PutRecordsCommand({ StreamName, Records }));
      left = Records.filter((_, i) => answer.Records[i].ErrorCode !== undefined);
    }
    console.log(`round ${round}`);
  }
}

// Shards whose parents are read to the end may begin.
async function begin(iterators, done) {
  const { Shards } = await persist(() => new ListShardsCommand({ StreamName }));
  const listed = new Set(Shards.map((shard) => shard.ShardId));
  const isOver = (parent) => parent === undefined || !listed.has(parent) || done.has(parent);
  for (const { ShardId, ParentShardId, AdjacentParentShardId } of Shards) {
    if (!done.has(ShardId) && !iterators.has(ShardId) && isOver(ParentShardId) && isOver(AdjacentParentShardId)) {
      const command = () => new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: "TRIM_HORIZON" });
      iterators.set(ShardId, (await persist(command)).ShardIterator);
    }
  }
}

async function read() {
  const wanted = Number(keys) * Number(rounds);
  const iterators = new Map();
  const done = new Set();
  const seen = new Set();
  const decoder = new TextDecoder();
  while (seen.size < wanted) {
    if (Date.now() > deadline) {
      throw new Error(`saw ${seen.size} of ${wanted} records`);
    }
    await begin(iterators, done);
    const before = seen.size;
    for (const [shard, ShardIterator] of [...iterators]) {
      const answer = await persist(() => new GetRecordsCommand({ ShardIterator }));
      for (const record of answer.Records) {
        const data = decoder.decode(record.Data);
        if (!data.startsWith(`${record.PartitionKey} `)) {
          throw new Error(`wrong record: ${record.PartitionKey}: ${data}`);
        }
        console.log(data);
        seen.add(data);
      }
      const hasChildren = (answer.ChildShards ?? []).length > 0;
      if ((answer.NextShardIterator === undefined) !== hasChildren) {
        throw new Error(`${shard}: ${JSON.stringify({ ...answer, Records: [] })}`);
      }
      if (hasChildren) {
        iterators.delete(shard);
        done.add(shard);
      } else {
        iterators.set(shard, answer.NextShardIterator);
      }
    }
    if (seen.size === before) {
      await sleep(20);
    }
  }
}

await (mode === "put" ? write() : read());
process.exit(0);

// The pipeline as nodes and edges, and where each stands. Only what the snapshot says is drawn.
import type { Job, JobSink, JobSource, Snapshot } from "./api";
import type { Labels } from "./store";
import { link, read } from "./store";

export interface Node {
  id: string;
  kind: string;
  title: string;
  note: string;
  href?: string;
  /** Said when the pointer rests on it; else the title. */
  tip?: string;
  figure?: { metric: string; labels: Labels; unit: string; isBytes?: boolean; isShare?: boolean };
  curve?: { metric: string; labels: Labels };
  job?: Job;
  column: number;
  order: number;
  x: number;
  y: number;
}

export interface Edge {
  from: string;
  to: string;
  metric: string;
  labels: Labels;
}

export interface Plan {
  nodes: Node[];
  edges: Edge[];
  /** Streams that no job touches and nobody has written to. */
  idle: Snapshot["streams"];
  columns: number;
}

const DEAD_LETTERS = "leat-dead-letters";
const streamId = (name: string, region: string) => `stream:${region}:${name}`;

type Part = Omit<Node, "column" | "order" | "x" | "y">;

class Builder {
  readonly nodes = new Map<string, Node>();
  readonly edges: Edge[] = [];

  readonly regions: number;

  constructor(readonly snapshot: Snapshot) {
    this.regions = new Set(snapshot.streams.map((s) => s.region)).size;
  }

  add(part: Part): string {
    if (!this.nodes.has(part.id)) this.nodes.set(part.id, { ...part, column: 0, order: 0, x: 0, y: 0 });
    return part.id;
  }

  connect(from: string, to: string, metric: string, labels: Labels): void {
    if (!this.edges.some((e) => e.from === from && e.to === to)) this.edges.push({ from, to, metric, labels });
  }

  stream(name: string, region: string): string {
    const stream = this.snapshot.streams.find((s) => s.name === name && s.region === region);
    const labels = { region, stream: name };
    const shards = stream ? `${stream.open_shard_count} shard${stream.open_shard_count === 1 ? "" : "s"}` : "not there";
    return this.add({
      id: streamId(name, region), kind: name === DEAD_LETTERS ? "dead" : "stream", title: name,
      note: stream && this.regions > 1 ? region : shards,
      href: name === DEAD_LETTERS ? "#/deadletters" : link(["streams", region, name]),
      figure: { metric: "leat_stream_records_in_total", labels, unit: "records" },
      curve: { metric: "leat_stream_records_in_total", labels },
    });
  }

  has(family: string): boolean {
    return (this.snapshot.metrics[family]?.length ?? 0) > 0;
  }
}

const SINK_KINDS: Record<string, [string, string]> = {
  filesystem: ["archive", "S3"], s3: ["archive", "S3"], cloudwatch: ["metrics", "CloudWatch"], sns: ["alert", "SNS topic"],
};

function addSink(b: Builder, job: Job, sink: JobSink, jobNode: string): void {
  const labels = { job: job.id };
  if (sink.kind === "kinesis") {
    b.connect(jobNode, b.stream(sink.target, sink.region ?? ""), "leat_job_rows_out_total", labels);
    return;
  }
  const [kind, note] = SINK_KINDS[sink.kind] ?? ["sink", sink.kind];
  const own = { job: job.id, table: sink.table };
  const counted = read(b.snapshot, "leat_sink_delivered_rows_total", own) !== undefined;
  const id = b.add({
    id: `sink:${kind === "alert" ? sink.target : `${job.id}:${sink.table}`}`, kind, title: kind === "alert" ? sink.target.split(":").at(-1)! : sink.target || sink.table, note,
    href: kind === "alert" ? "#/inbox" : kind === "metrics" ? "#/metrics" : undefined,
    figure: !counted ? undefined
      : kind === "archive" ? { metric: "leat_sink_delivered_bytes_total", labels: own, unit: "put", isBytes: true }
        : { metric: "leat_sink_delivered_rows_total", labels: own, unit: "rows" },
  });
  b.connect(jobNode, id, counted ? "leat_sink_rows_total" : "leat_job_rows_out_total", counted ? own : labels);
  if (kind === "alert" && b.has("leat_sns_mails")) {
    const inbox = b.add({
      id: "inbox", kind: "inbox", title: "Inbox", note: "mails", href: "#/inbox",
      figure: { metric: "leat_sns_mails", labels: {}, unit: "mails" },
    });
    b.connect(id, inbox, "leat_sns_mails", {});
  }
}

function addSource(b: Builder, job: Job, source: JobSource, jobNode: string): void {
  const labels = { job: job.id };
  const from = source.stream && (source.kind ?? "kinesis") === "kinesis"
    ? b.stream(source.stream, source.region ?? "")
    : b.add({ id: `source:${job.id}:${source.table}`, kind: "object", title: source.stream || source.table, note: source.kind ?? "source" });
  b.connect(from, jobNode, "leat_job_rows_in_total", labels);
}

function addJob(b: Builder, job: Job): void {
  const labels = { job: job.id };
  const id = b.add({
    id: `job:${job.id}`, kind: "job", title: job.name.replace(/^insert-into_/, ""), note: "SQL job", href: link(["jobs", job.id]), job,
    figure: { metric: "leat_job_rows_out_total", labels, unit: "rows" },
    curve: { metric: "leat_job_rows_out_total", labels },
  });
  for (const source of job.sources) addSource(b, job, source, id);
  for (const sink of job.sinks) addSink(b, job, sink, id);
  if ((read(b.snapshot, "leat_job_dead_letters_total", labels) ?? 0) > 0) {
    const region = job.sources.find((s) => s.stream)?.region ?? "us-east-1";
    b.connect(id, b.stream(DEAD_LETTERS, region), "leat_job_dead_letters_total", labels);
  }
}

const STATES: Record<string, string> = { DONE: "done", STOPPED: "stopped", FAILED: "failed" };

/** The newest replay into each stream, as object and replay. */
function addReplays(b: Builder): void {
  const newest = new Map(b.snapshot.replays.map((r) => [streamId(r.stream, r.region), r]));
  for (const [stream, replay] of newest) {
    if (!b.nodes.has(stream)) continue;
    const labels = { replay: replay.id };
    const from = b.add({
      id: `object:${replay.id}`, kind: "object", title: replay.from.split("/").at(-1)!, tip: replay.from,
      note: replay.source === "s3" ? "S3 object" : "file",
      figure: { metric: "leat_replay_progress_ratio", labels, unit: "read", isShare: true },
    });
    const id = b.add({
      id: `replay:${replay.id}`, kind: replay.state === "FAILED" ? "dead" : "producer", title: "replay", tip: replay.reason,
      note: STATES[replay.state] ?? "leat replay",
      figure: { metric: "leat_replay_rows_total", labels, unit: "rows" },
    });
    b.connect(from, id, "leat_replay_rows_total", labels);
    b.connect(id, stream, "leat_replay_records_total", labels);
  }
}

/** Whoever puts records: a stream that no job fills and that has got some, or that a job reads. */
const isReplayed = (b: Builder, stream: string) => b.edges.some((e) => e.to === stream && e.from.startsWith("replay:"));

function addProducers(b: Builder): void {
  const fed = new Set(b.edges.map((edge) => edge.to));
  for (const node of [...b.nodes.values()]) {
    const labels = node.figure?.labels ?? {};
    const isCalled = (read(b.snapshot, "leat_stream_put_calls_total", labels) ?? 0) > 0;
    if (node.kind !== "stream" || (fed.has(node.id) && !(isCalled && isReplayed(b, node.id)))) continue;
    const id = b.add({
      id: `producer:${node.id}`, kind: "producer", title: "Producers", note: "put records",
      figure: { metric: "leat_stream_put_calls_total", labels, unit: "calls" },
    });
    b.connect(id, node.id, "leat_stream_records_in_total", labels);
  }
}

/** Columns by the longest way from a source. */
function setColumns(b: Builder): number {
  for (let pass = 0; pass < b.nodes.size; pass++) {
    for (const edge of b.edges) {
      const [from, to] = [b.nodes.get(edge.from)!, b.nodes.get(edge.to)!];
      if (to.column <= from.column && from.column < b.nodes.size - 1) to.column = from.column + 1;
    }
  }
  return Math.max(0, ...[...b.nodes.values()].map((n) => n.column)) + 1;
}

const FIRST = ["stream", "job", "metrics", "archive", "alert", "inbox", "sink", "dead"];
const rank = (node: Node) => FIRST.indexOf(node.kind);

export function plan(snapshot: Snapshot): Plan {
  const b = new Builder(snapshot);
  for (const job of snapshot.jobs) if (job.state !== "STOPPED" && job.state !== "FINISHED") addJob(b, job);
  const idle: Snapshot["streams"] = [];
  for (const stream of snapshot.streams) {
    if (b.nodes.has(streamId(stream.name, stream.region))) continue;
    const records = read(snapshot, "leat_stream_records_in_total", { region: stream.region, stream: stream.name }) ?? 0;
    if (records > 0) b.stream(stream.name, stream.region);
    else idle.push(stream);
  }
  addReplays(b);
  addProducers(b);
  const columns = setColumns(b);
  return { nodes: [...b.nodes.values()], edges: b.edges, idle, columns };
}

export interface Box {
  width: number;
  height: number;
  node: number;
  isVertical: boolean;
}
export const NODE_HEIGHT = 102;
const ROW_GAP = 18;

/** Puts each node near what feeds it, without overlap. Wide screens: left to right; narrow ones: downwards. */
export function arrange(p: Plan, width: number): Box {
  const isVertical = width < 700;
  const byColumn: Node[][] = Array.from({ length: p.columns }, (_, c) => p.nodes.filter((n) => n.column === c));
  const widest = Math.max(1, ...byColumn.map((c) => c.length));
  const gap = Math.min(Math.max((width - p.columns * 170) / Math.max(p.columns - 1, 1), 42), 110);
  const node = isVertical
    ? Math.min(Math.max((width - (widest - 1) * 14) / widest, 150), 260)
    : Math.min(Math.max((width - (p.columns - 1) * gap) / p.columns, 112), 232);
  const pitch = isVertical ? node + 14 : NODE_HEIGHT + ROW_GAP;
  for (const nodes of byColumn) settle(p, nodes, pitch, isVertical);
  const least = Math.min(...p.nodes.map((n) => n.order));
  for (const n of p.nodes) {
    const along = n.column * (isVertical ? NODE_HEIGHT + 46 : node + gap);
    const across = n.order - least;
    [n.x, n.y] = isVertical ? [across, along] : [along, across];
  }
  return {
    width: Math.max(...p.nodes.map((n) => n.x)) + node, height: Math.max(...p.nodes.map((n) => n.y)) + NODE_HEIGHT, node, isVertical,
  };
}

/** Sets `order` of a column's nodes to where their sources stand, at least `pitch` apart; or in the middle, which takes least room. */
function settle(p: Plan, nodes: Node[], pitch: number, isCentred: boolean): void {
  const wanted = new Map<Node, number>();
  nodes.forEach((node, i) => {
    const from = p.edges.filter((e) => e.to === node.id).map((e) => p.nodes.find((n) => n.id === e.from)!);
    const placed = from.filter((n) => n.column < node.column);
    wanted.set(node, placed.length > 0 ? placed.reduce((sum, n) => sum + n.order, 0) / placed.length : i * pitch);
  });
  nodes.sort((a, b) => wanted.get(a)! - wanted.get(b)! || rank(a) - rank(b));
  if (isCentred) {
    nodes.forEach((node, i) => (node.order = (i - (nodes.length - 1) / 2) * pitch));
    return;
  }
  const places: number[] = [];
  nodes.forEach((node, i) => places.push(i === 0 ? wanted.get(node)! : Math.max(wanted.get(node)!, places[i - 1]! + pitch)));
  // What was pushed down moves back up by half, so that a fan opens both ways.
  const shift = nodes.reduce((sum, node, i) => sum + places[i]! - wanted.get(node)!, 0) / Math.max(nodes.length, 1);
  nodes.forEach((node, i) => (node.order = places[i]! - shift));
}

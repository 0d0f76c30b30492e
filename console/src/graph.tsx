// The pipeline as it is now: streams, jobs and what lies outside, with a moving edge for each flow.
import { bytes, perSecond, Value } from "./format";
import type { Labels } from "./store";
import { latest, rate } from "./store";
import type { Job, JobSink, Snapshot } from "./api";

interface Node {
  id: string;
  kind: string;
  title: string;
  note: string;
  href?: string;
  column: number;
  row: number;
  metric?: string;
  labels?: Labels;
  unit?: string;
  state?: string;
}
interface Edge {
  from: string;
  to: string;
  metric: string;
  labels: Labels;
}

const WIDTH = 212;
const HEIGHT = 84;
const GAP_X = 74;
const GAP_Y = 22;

const streamId = (name: string, region?: string) => `stream:${region ?? ""}:${name}`;
const streamLabels = (name: string, region: string): Labels => ({ region, stream: name });

function sinkNode(job: Job, sink: JobSink): Node {
  const byKind: Record<string, [string, string, string]> = {
    filesystem: ["leat_sink_bytes_total", "archived", "archive"],
    s3: ["leat_sink_bytes_total", "archived", "archive"],
    cloudwatch: ["leat_sink_rows_total", "metric rows", "metrics"],
    sns: ["leat_sink_rows_total", "alerts", "alert"],
  };
  const [metric, unit, kind] = byKind[sink.kind] ?? ["leat_sink_rows_total", "rows", "sink"];
  return {
    id: `sink:${job.id}:${sink.table}`,
    kind,
    title: sink.target || sink.table,
    note: sink.kind === "sns" ? "SNS topic" : sink.kind,
    href: kind === "alert" ? "#/inbox" : undefined,
    column: 0,
    row: 0,
    metric,
    labels: { job: job.id, table: sink.table },
    unit,
  };
}

/** Columns by longest way from a source; rows in order of appearance. */
function place(nodes: Map<string, Node>, edges: Edge[]): void {
  for (let pass = 0; pass < nodes.size; pass++) {
    for (const edge of edges) {
      const [from, to] = [nodes.get(edge.from), nodes.get(edge.to)];
      if (from && to && to.column <= from.column && from.column < nodes.size) to.column = from.column + 1;
    }
  }
  const used: number[] = [];
  for (const node of nodes.values()) {
    node.row = used[node.column] ?? 0;
    used[node.column] = node.row + 1;
  }
}

function layout(snapshot: Snapshot): { nodes: Node[]; edges: Edge[] } {
  const nodes = new Map<string, Node>();
  const edges: Edge[] = [];
  const addStream = (name: string, region: string) => {
    const id = streamId(name, region);
    if (nodes.has(id)) return id;
    const stream = snapshot.streams.find((s) => s.name === name && s.region === region);
    nodes.set(id, {
      id, kind: "stream", title: name, column: 1, row: 0,
      note: stream ? `${region} · ${stream.open_shard_count} shards` : `${region} · not there`,
      href: `#/streams/${region}/${name}`,
      metric: "leat_stream_records_in_total", labels: streamLabels(name, region), unit: "records",
    });
    return id;
  };
  for (const stream of snapshot.streams) addStream(stream.name, stream.region);
  for (const job of snapshot.jobs.filter((j) => j.state !== "STOPPED" && j.state !== "FINISHED")) {
    const id = `job:${job.id}`;
    nodes.set(id, {
      id, kind: "job", title: job.name, note: "SQL job", href: `#/jobs/${job.id}`, column: 1, row: 0,
      metric: "leat_job_rows_out_total", labels: { job: job.id }, unit: "rows out", state: job.state,
    });
    for (const source of job.sources.filter((s) => s.stream)) {
      edges.push({
        from: addStream(source.stream!, source.region ?? ""), to: id,
        metric: "leat_job_rows_in_total", labels: { job: job.id },
      });
    }
    for (const sink of job.sinks) {
      const metric = "leat_job_rows_out_total";
      if (sink.kind === "kinesis") {
        edges.push({ from: id, to: addStream(sink.target, sink.region ?? ""), metric, labels: { job: job.id } });
      } else {
        const node = sinkNode(job, sink);
        nodes.set(node.id, node);
        edges.push({ from: id, to: node.id, metric, labels: { job: job.id } });
      }
    }
  }
  const fed = new Set(edges.map((edge) => edge.to));
  for (const node of [...nodes.values()]) {
    if (node.kind !== "stream" || fed.has(node.id)) continue;
    const id = `producer:${node.id}`;
    nodes.set(id, { id, kind: "producer", title: "Producers", note: "PutRecord, PutRecords, replay", column: 0, row: 0 });
    edges.push({ from: id, to: node.id, metric: "leat_stream_records_in_total", labels: node.labels! });
  }
  place(nodes, edges);
  return { nodes: [...nodes.values()], edges };
}

const x = (node: Node) => node.column * (WIDTH + GAP_X);
const y = (node: Node) => node.row * (HEIGHT + GAP_Y);

function EdgeView({ edge, nodes }: { edge: Edge; nodes: Map<string, Node> }) {
  const [from, to] = [nodes.get(edge.from)!, nodes.get(edge.to)!];
  const [x1, y1] = [x(from) + WIDTH, y(from) + HEIGHT / 2];
  const [x2, y2] = [x(to), y(to) + HEIGHT / 2];
  const bend = Math.max((x2 - x1) / 2, 26);
  const now = rate(edge.metric, edge.labels);
  // Faster flows move faster, up to a speed that eyes can follow.
  const seconds = now > 0 ? Math.max(4 / Math.log2(now + 2), 0.25) : 0;
  const line = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  return (
    <g class={now > 0 ? "edge moving" : "edge"}>
      <path d={line} class="pipe" />
      <path d={line} class="flow" style={{ animationDuration: `${seconds}s` }} />
      <text x={(x1 + x2) / 2} y={(y1 + y2) / 2 - 8} class="rate" data-rate={edge.metric} data-labels={JSON.stringify(edge.labels)}>
        {perSecond(now)}
      </text>
    </g>
  );
}

const icons: Record<string, string> = {
  stream: "M2 5c3-3 5 3 8 0s5 3 8 0M2 10c3-3 5 3 8 0s5 3 8 0M2 15c3-3 5 3 8 0s5 3 8 0",
  job: "M3 4h14v12H3zM6 8l3 2-3 2M11 12h3",
  producer: "M3 10h11M10 5l5 5-5 5",
  archive: "M3 5h14v3H3zM4 8v8h12V8M8 11h4",
  metrics: "M3 16V9M8 16V4M13 16v-5M18 16V7",
  alert: "M3 5h14v10H3zM3 6l7 5 7-5",
  sink: "M10 3v9M6 8l4 4 4-4M4 16h12",
};

function NodeView({ node }: { node: Node }) {
  const failed = node.state === "FAILED" || node.state === "RESTARTING";
  return (
    <a class={`node ${node.kind}${failed ? " failed" : ""}`} href={node.href}
       style={{ left: `${x(node)}px`, top: `${y(node)}px`, width: `${WIDTH}px`, height: `${HEIGHT}px` }}>
      <svg viewBox="0 0 20 20" class="icon" aria-hidden="true"><path d={icons[node.kind] ?? icons["sink"]} /></svg>
      <strong title={node.title}>{node.title}</strong>
      <small>{node.state && node.state !== "RUNNING" ? node.state : node.note}</small>
      {node.metric && (
        <span class="figure">
          <Value metric={node.metric} labels={node.labels!} as={node.unit === "archived" ? bytes : undefined} /> {node.unit}
        </span>
      )}
    </a>
  );
}

export function Graph() {
  const snapshot = latest.value;
  if (!snapshot) return <p class="empty">Waiting for the server.</p>;
  const { nodes, edges } = layout(snapshot);
  if (nodes.length === 0) {
    return (
      <p class="empty">
        Nothing flows yet. <code>leat stream create us-accidents-data-stream-1</code> makes a stream, <code>leat run FILE.sql</code> starts
        a job, <code>leat demo</code> shows all of it.
      </p>
    );
  }
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const width = Math.max(...nodes.map(x)) + WIDTH;
  const height = Math.max(...nodes.map(y)) + HEIGHT;
  return (
    <div class="graph" role="group" aria-label="Pipeline">
      <div style={{ width: `${width}px`, height: `${height}px` }}>
        <svg width={width} height={height} aria-hidden="true">
          {edges.map((edge) => <EdgeView key={`${edge.from}>${edge.to}`} edge={edge} nodes={byId} />)}
        </svg>
        {nodes.map((node) => <NodeView key={node.id} node={node} />)}
      </div>
    </div>
  );
}

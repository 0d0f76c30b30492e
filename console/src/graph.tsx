// The pipeline as it is now, with a moving edge for each flow.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { bytes, duration, percent, perSecond, Value } from "./format";
import { arrange, NODE_HEIGHT, plan } from "./layout";
import type { Box, Edge, Node } from "./layout";
import { curve, hasTried, latest, link, rate, read } from "./store";

function ends(from: Node, to: Node, box: Box): [number, number, number, number] {
  return box.isVertical
    ? [from.x + box.node / 2, from.y + NODE_HEIGHT, to.x + box.node / 2, to.y]
    : [from.x + box.node, from.y + NODE_HEIGHT / 2, to.x, to.y + NODE_HEIGHT / 2];
}

function EdgeView({ edge, nodes, box }: { edge: Edge; nodes: Map<string, Node>; box: Box }) {
  const [x1, y1, x2, y2] = ends(nodes.get(edge.from)!, nodes.get(edge.to)!, box);
  const now = rate(edge.metric, edge.labels);
  // Faster flows move faster, up to a speed that eyes can follow.
  const seconds = now > 0 ? Math.max(3.2 / Math.log2(now + 2), 0.22) : 0;
  const [bendX, bendY] = box.isVertical ? [0, Math.max((y2 - y1) / 2, 18)] : [Math.max((x2 - x1) / 2, 22), 0];
  const line = `M${x1} ${y1}C${x1 + bendX} ${y1 + bendY} ${x2 - bendX} ${y2 - bendY} ${x2} ${y2}`;
  const isTrouble = edge.metric === "leat_job_dead_letters_total";
  return (
    <g class={`edge${now > 0 ? " moving" : ""}${isTrouble ? " trouble" : ""}`}>
      <path d={line} class="pipe" />
      <path d={line} class="flow" style={{ animationDuration: `${seconds}s` }} />
      <text x={(x1 + x2) / 2} y={(y1 + y2) / 2 - (box.isVertical ? -4 : 8)} class="rate"
            data-rate={edge.metric} data-labels={JSON.stringify(edge.labels)} data-value={now}>
        {perSecond(now)}
      </text>
    </g>
  );
}

const icons: Record<string, string> = {
  stream: "M2 5c3-3 5 3 8 0s5 3 8 0M2 10c3-3 5 3 8 0s5 3 8 0M2 15c3-3 5 3 8 0s5 3 8 0",
  job: "M3 4h14v12H3zM6 8l3 2-3 2M11 12h3",
  producer: "M3 10h11M10 5l5 5-5 5",
  object: "M5 2h7l4 4v12H5zM12 2v4h4",
  archive: "M3 5h14v3H3zM4 8v8h12V8M8 11h4",
  metrics: "M3 16V9M8 16V4M13 16v-5M18 16V7",
  alert: "M10 3v2M5 14c1-1 1-3 1-5a4 4 0 0 1 8 0c0 2 0 4 1 5zM8.5 16.5h3",
  inbox: "M3 5h14v10H3zM3 6l7 5 7-5",
  dead: "M10 3l8 14H2zM10 8v4M10 14.5v.1",
  sink: "M10 3v9M6 8l4 4 4-4M4 16h12",
};

/** The last two minutes as a small area along the bottom of a node. */
function Spark({ metric, labels }: { metric: string; labels: Record<string, string> }) {
  const points = curve(metric, labels);
  const most = Math.max(...points, 1);
  if (points.length < 2) return null;
  const step = 100 / (points.length - 1);
  const line = points.map((p, i) => `${(i * step).toFixed(1)} ${(20 - (p / most) * 18).toFixed(1)}`).join("L");
  return (
    <svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">
      <path class="area" d={`M0 20L${line}L100 20z`} />
      <path class="line" d={`M${line}`} vector-effect="non-scaling-stroke" />
    </svg>
  );
}

function NodeView({ node, box }: { node: Node; box: Box }) {
  const state = node.job?.state ?? "RUNNING";
  const lag = node.job && read(latest.value, "leat_job_lag_seconds", { job: node.job.id });
  const note = state !== "RUNNING" ? state.toLowerCase() : lag !== undefined && lag >= 2 ? `${duration(lag)} behind` : node.note;
  const tone = state === "FAILED" || state === "RESTARTING" ? " failed" : lag !== undefined && lag >= 2 ? " late" : "";
  return (
    <a class={`node ${node.kind}${tone}`} href={node.href} title={node.tip || node.title}
       style={{ left: `${node.x}px`, top: `${node.y}px`, width: `${box.node}px`, height: `${NODE_HEIGHT}px` }}>
      {node.curve && <Spark metric={node.curve.metric} labels={node.curve.labels} />}
      <svg viewBox="0 0 20 20" class="icon" aria-hidden="true"><path d={icons[node.kind] ?? icons["sink"]} /></svg>
      <small>{note}</small>
      <strong>{node.title.split(/(?<=[-_/.:])/).map((part, i) => [i > 0 && <wbr key={i} />, part])}</strong>
      {node.figure && (
        <span class="figure">
          <Value metric={node.figure.metric} labels={node.figure.labels} as={node.figure.isBytes ? bytes : node.figure.isShare ? percent : undefined} /> {node.figure.unit}
        </span>
      )}
    </a>
  );
}

function Empty() {
  return (
    <div class="empty">
      <p><strong>Nothing flows yet.</strong></p>
      <p><code>leat demo</code> shows the whole founding pipeline. Or step by step:</p>
      <ol>
        <li><code>leat stream create us-accidents-data-stream-1</code></li>
        <li><code>leat run FILE.sql</code> starts a job from it</li>
        <li><code>leat replay FILE.csv</code> or any AWS SDK at <code>{location.origin}</code> puts records</li>
      </ol>
    </div>
  );
}

export function Graph() {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const watcher = new ResizeObserver(() => setWidth(frame.current!.clientWidth - 40));
    watcher.observe(frame.current!);
    return () => watcher.disconnect();
  }, []);
  const snapshot = latest.value;
  const p = snapshot && plan(snapshot);
  const box = p && p.nodes.length > 0 && width > 0 ? arrange(p, width) : undefined;
  const byId = new Map(p?.nodes.map((node) => [node.id, node]));
  return (
    <div class="graph" role="group" aria-label="Pipeline" ref={frame}>
      {!snapshot && <p class="empty">{hasTried.value ? "The server does not answer; trying again." : "Connecting."}</p>}
      {p && p.nodes.length === 0 && <Empty />}
      {p && box && (
        <div style={{ width: `${box.width}px`, height: `${box.height}px` }}>
          <svg width={box.width} height={box.height} aria-hidden="true">
            {p.edges.map((edge) => <EdgeView key={`${edge.from}>${edge.to}`} edge={edge} nodes={byId} box={box} />)}
          </svg>
          {p.nodes.map((node) => <NodeView key={node.id} node={node} box={box} />)}
        </div>
      )}
      {p && p.idle.length > 0 && (
        <p class="idle">
          Streams without traffic: {p.idle.slice(0, 12).map((s) => <a key={`${s.region}/${s.name}`} href={link(["streams", s.region, s.name])}>{s.name} <small>{s.region}</small></a>)}
          {p.idle.length > 12 && <a href="#/streams">and {p.idle.length - 12} more</a>}
        </p>
      )}
    </div>
  );
}

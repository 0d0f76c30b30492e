// The custom metrics in CloudWatch: one card for each metric and set of dimensions.
import * as api from "./api";
import { count } from "./format";
import { usePolled } from "./poll";

const ROWS = 12;

interface Row {
  name: string;
  series: api.Series;
  total: number;
}
interface Group {
  title: string;
  dimensions: string;
  rows: Row[];
}

function groupsOf(all: api.Series[]): Group[] {
  const groups = new Map<string, Group>();
  for (const series of all) {
    const names = Object.keys(series.dimensions).sort();
    const key = `${series.metric}\n${names.join("\n")}`;
    const group = groups.get(key) ?? { title: series.metric, dimensions: names.join(", ") || "no dimension", rows: [] };
    groups.set(key, group);
    group.rows.push({ name: names.map((n) => series.dimensions[n]).join(" · ") || "all", series, total: series.points.reduce((sum, p) => sum + p[1], 0) });
  }
  const list = [...groups.values()];
  for (const group of list) group.rows.sort((a, b) => b.total - a.total || a.name.localeCompare(b.name));
  return list.sort((a, b) => a.rows.length - b.rows.length);
}

/** Sums over the time that the group spans, as bars. */
function Bars({ row, from, to }: { row: Row; from: number; to: number }) {
  const BINS = 60;
  const bins = new Array<number>(BINS).fill(0);
  for (const [ms, sum] of row.series.points) {
    const at = Math.min(Math.floor(((ms - from) / Math.max(to - from, 1)) * BINS), BINS - 1);
    bins[at] = (bins[at] ?? 0) + sum;
  }
  const most = Math.max(...bins, 1e-9);
  return (
    <svg class="bars" viewBox={`0 0 ${BINS * 4} 24`} preserveAspectRatio="none" aria-hidden="true">
      {bins.map((value, i) => value > 0 && <rect key={i} x={i * 4} width={3} y={24 - (value / most) * 23} height={(value / most) * 23} />)}
    </svg>
  );
}

function GroupCard({ group }: { group: Group }) {
  const times = group.rows.flatMap((row) => row.series.points.map((p) => p[0]));
  const [from, to] = [Math.min(...times), Math.max(...times)];
  return (
    <section class="card">
      <header><h2>{group.title}</h2><small>by {group.dimensions}</small><span class="space" /><small>{count(group.rows.length)} series</small></header>
      <table class="series">
        <tbody>
          {group.rows.slice(0, ROWS).map((row) => (
            <tr key={row.name}><td>{row.name}</td><td class="wide"><Bars row={row} from={from} to={to} /></td><td class="num right">{count(row.total)}</td></tr>
          ))}
        </tbody>
      </table>
      {group.rows.length > ROWS && <p class="more">and {count(group.rows.length - ROWS)} more</p>}
    </section>
  );
}

export function Metrics() {
  const { value, error } = usePolled(() => api.series(), 2000);
  const groups = groupsOf((value?.series ?? []).filter((s) => s.points.length > 0));
  return (
    <>
      {groups.length === 0 && (
        <section class="card">
          <header><h2>Metrics</h2><small>CloudWatch, the last hour</small></header>
          {error && <p class="problem" role="alert">{error}</p>}
          {value && <p class="empty">No custom metric in the last hour. A job with the <code>cloudwatch</code> connector, or PutMetricData of any AWS SDK, fills this.</p>}
        </section>
      )}
      <div class="grid">{groups.map((group) => <GroupCard key={`${group.title}/${group.dimensions}`} group={group} />)}</div>
      {groups.length > 0 && <p class="more">Sums over the last hour, all regions. leat's own figures are at <a class="link" href="/metrics">/metrics</a>.</p>}
    </>
  );
}

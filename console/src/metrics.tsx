// The custom metrics in CloudWatch: one card for each metric and set of dimensions.
import * as api from "./api";
import { count } from "./format";
import { usePolled } from "./poll";
import { latest } from "./store";

const ROWS = 12;

interface Row {
  name: string;
  series: api.Series;
  total: number;
}
interface Group {
  title: string;
  region: string;
  dimensions: string;
  hasMore: boolean;
  rows: Row[];
}

const namesOf = (series: api.Series) => Object.keys(series.dimensions).sort();

/** All series of a region; where there are too many for one answer, the first ones of each set of dimensions. */
async function loadRegion(region: string): Promise<Group[]> {
  const page = await api.series({ region });
  if (!page.has_more) return groupsOf(region, page.series, false);
  const sets = new Map(page.series.map((s) => [`${s.namespace}\n${s.metric}\n${namesOf(s)}`, s]));
  const pages = await Promise.all([...sets.values()].filter((s) => namesOf(s).length > 0).map((s) =>
    api.series({ region, namespace: s.namespace, metric: s.metric, dimensions: namesOf(s).join(",") })));
  return pages.flatMap((p) => groupsOf(region, p.series, p.has_more));
}

async function load(): Promise<Group[]> {
  const regions = new Set(["us-east-1", ...(latest.value?.streams.map((s) => s.region) ?? [])]);
  return (await Promise.all([...regions].map(loadRegion))).flat();
}

function groupsOf(region: string, all: api.Series[], hasMore: boolean): Group[] {
  const groups = new Map<string, Group>();
  for (const series of all.filter((s) => s.points.length > 0)) {
    const names = namesOf(series);
    const key = `${series.namespace}\n${series.metric}\n${names.join("\n")}`;
    const group = groups.get(key) ?? { title: series.metric, region, dimensions: names.join(", ") || "no dimension", hasMore, rows: [] };
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
      <header><h2>{group.title}</h2><small>by {group.dimensions}</small><span class="space" /><small>{group.region} · {count(group.rows.length)}{group.hasMore && "+"} series</small></header>
      <table class="series">
        <tbody>
          {group.rows.slice(0, ROWS).map((row) => (
            <tr key={row.name}><td>{row.name}</td><td class="wide"><Bars row={row} from={from} to={to} /></td><td class="num right">{count(row.total)}</td></tr>
          ))}
        </tbody>
      </table>
      {group.rows.length > ROWS && <p class="more">and {count(group.rows.length - ROWS)}{group.hasMore && "+"} more</p>}
    </section>
  );
}

export function Metrics() {
  const { value, error } = usePolled(load, 2000);
  const groups = value ?? [];
  return (
    <>
      {groups.length === 0 && (
        <section class="card">
          <header><h2>Metrics</h2><small>CloudWatch, the last hour</small></header>
          {error && <p class="problem" role="alert">{error}</p>}
          {value && <p class="empty">No custom metric in the last hour. A job with the <code>cloudwatch</code> connector, or PutMetricData of any AWS SDK, fills this.</p>}
        </section>
      )}
      <div class="grid">{groups.map((group) => <GroupCard key={`${group.region}/${group.title}/${group.dimensions}`} group={group} />)}</div>
      {groups.length > 0 && <p class="more">Sums over the last hour, all regions. leat's own figures are at <a class="link" href="/metrics">/metrics</a>.</p>}
    </>
  );
}

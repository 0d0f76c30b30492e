// The accidents as they arrive: on the map, by severity over time, and as a list.
import { useEffect, useRef, useState } from "preact/hooks";
import { tail } from "./api";
import type { StreamRecord } from "./api";
import { SeverityChart, SeverityCounts } from "./chart";
import { bytes, count, Rate, Value } from "./format";
import { placeOf, UsMap } from "./map";
import type { Dot } from "./map";
import { latest, link } from "./store";

const LIST = 7;
/** What a page can follow with its eyes; the server leaves out the rest and says how many. */
const RECORDS_PER_SECOND = 400;

interface Accident {
  key: string;
  severity: number;
  place: string;
  text: string;
  at_ms: number;
  href: string;
}

const text = (value: unknown) => (typeof value === "string" || typeof value === "number" ? String(value) : "");

export function rowOf(record: StreamRecord): Record<string, unknown> | null {
  if (!record.data) return null;
  try {
    const row: unknown = JSON.parse(record.data);
    return row !== null && typeof row === "object" && !Array.isArray(row) ? (row as Record<string, unknown>) : null;
  } catch {
    return null; // Not JSON: nothing for the map.
  }
}

function severityOf(row: Record<string, unknown>): number | null {
  const level = Number(row["Severity"] ?? NaN);
  return Number.isFinite(level) && text(row["Severity"]) !== "" ? Math.min(Math.max(Math.round(level), 1), 4) : null;
}

/** The stream whose records carry places: the founding one, else the first that a job reads. */
function accidentStream(): { name: string; region: string } | undefined {
  const snapshot = latest.value;
  const streams = snapshot?.streams ?? [];
  const read = snapshot?.jobs.flatMap((j) => j.sources).find((s) => s.stream);
  return streams.find((s) => s.name === "us-accidents-data-stream-1")
    ?? streams.find((s) => s.name === read?.stream && s.region === read?.region) ?? streams[0];
}

class Feed {
  dots: Dot[] = [];
  counts = new SeverityCounts();
  list: Accident[] = [];
  seen = 0;

  take(record: StreamRecord, stream: { name: string; region: string }): void {
    const row = rowOf(record);
    const severity = row && severityOf(row);
    if (!row || severity === null) return;
    this.seen++;
    this.counts.add(severity, record.arrival_ms);
    const place = placeOf(row);
    if (place) this.dots.push({ ...place, severity, at: performance.now() });
    const from = { from: String(record.arrival_ms), shard: record.shard_id, record: record.sequence_number };
    this.list.unshift({
      key: `${record.sequence_number}.${record.sub_sequence ?? 0}`, severity, at_ms: record.arrival_ms,
      place: [text(row["City"]), text(row["State"])].filter((part) => part !== "").join(", "),
      text: text(row["Description"]) || text(row["Street"]) || text(row["ID"]), href: link(["streams", stream.region, stream.name], from),
    });
    if (this.list.length > LIST) this.list.length = LIST;
  }
}

function Legend() {
  return <span class="legend">{[1, 2, 3, 4].map((level) => <span key={level}><i class={`severity-${level}`} />{level}</span>)}</span>;
}

function Latest({ accidents }: { accidents: Accident[] }) {
  if (accidents.length === 0) {
    return <p class="empty">The newest accidents stand here as soon as records with a <code>Severity</code> arrive.</p>;
  }
  return (
    <ul class="latest">
      {accidents.map((a) => (
        <li key={a.key}>
          <a href={a.href}>
            <i class={`severity-${a.severity}`} title={`Severity ${a.severity}`}>{a.severity}</i>
            <strong>{a.place || "–"}</strong>
            <small>{a.text}</small>
          </a>
        </li>
      ))}
    </ul>
  );
}

export function Live() {
  const feed = useRef(new Feed());
  const [left, setLeft] = useState(0);
  const [, redraw] = useState(0);
  const stream = accidentStream();
  const key = stream ? `${stream.region}/${stream.name}` : "";
  useEffect(() => {
    if (!stream) return;
    feed.current = new Feed();
    const end = tail(stream, { from: "latest", rate: String(RECORDS_PER_SECOND), resume: "no" }, {
      record: (record) => feed.current.take(record, stream),
      skipped: (n) => setLeft((old) => old + n),
    });
    const timer = setInterval(() => redraw((n) => n + 1), 500);
    return () => {
      clearInterval(timer);
      end();
    };
  }, [key]);
  return (
    <div class="live">
      <section class="card">
        <header><h2>Accidents as they arrive</h2><small>{stream?.name}</small><span class="space" /><Legend /></header>
        <UsMap dots={() => feed.current.dots} />
      </section>
      <div class="column">
        <section class="card">
          <header>
            <h2>Severity over time</h2>
            <small>records per second{left > 0 && ` · sampled, ${count(left)} left out`}</small>
          </header>
          <SeverityChart counts={() => feed.current.counts} />
        </section>
        <section class="card">
          <header><h2>Newest</h2><span class="space" /><small>{count(feed.current.seen)} since you opened this</small></header>
          <Latest accidents={feed.current.list} />
        </section>
      </div>
    </div>
  );
}

/** The figures of the whole server. */
export function Figures() {
  return (
    <ul class="figures strip">
      <li><b><Rate metric="leat_log_records_total" labels={{}} /></b>records, now</li>
      <li><b><Value metric="leat_log_records_total" labels={{}} /></b>since start, all durable</li>
      <li><b><Value metric="leat_log_disk_bytes" labels={{}} as={bytes} /></b>log on disk</li>
      <li><b><Value metric="leat_http_connections" labels={{}} /></b>connections</li>
      <li><b><Value metric="leat_sns_mails" labels={{}} /></b>mails</li>
      <li><b><Value metric="process_resident_memory_bytes" labels={{}} as={bytes} /></b>memory</li>
    </ul>
  );
}

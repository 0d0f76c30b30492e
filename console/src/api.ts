// leat's own API, as docs/api.md describes it.
import { follow } from "./follow";

export interface Sample {
  labels: Record<string, string>;
  value?: number;
  count?: number;
  p50?: number;
  p99?: number;
}
export type Metrics = Record<string, Sample[]>;

export interface Stream {
  account: string;
  region: string;
  name: string;
  mode: string;
  status: string;
  created_ms: number;
  retention_hours: number;
  shard_count: number;
  open_shard_count: number;
}

export interface JobSource {
  table: string;
  stream?: string;
  region?: string;
  kind?: string;
  watermark_ms?: number;
  idle_shards?: number;
  lag_ms?: number;
}
export interface JobSink {
  table: string;
  kind: string;
  target: string;
  region?: string;
  /** The rest: of sinks outside the log only. */
  rows?: number;
  problem?: string;
  left_out?: number;
  left_out_first?: string;
}
export interface Job {
  id: string;
  name: string;
  state: string;
  reason?: string;
  sql: string;
  created_ms: number;
  sources: JobSource[];
  sinks: JobSink[];
  watermark_ms?: number;
}

export interface Replay {
  id: string;
  state: string;
  source: string;
  from: string;
  region: string;
  stream: string;
  reason?: string;
}

export interface Snapshot {
  id: string;
  at_ms: number;
  metrics: Metrics;
  jobs: Job[];
  streams: Stream[];
  replays: Replay[];
}

export interface StreamRecord {
  shard_id: string;
  sequence_number: string;
  sub_sequence?: number;
  arrival_ms: number;
  partition_key: string;
  bytes: number;
  data?: string;
  data_base64?: string;
}

export interface Mail {
  id: number;
  at_ms: number;
  region: string;
  topic_arn: string;
  protocol: string;
  to: string;
  from: string;
  subject: string;
  body: string;
  delivered: boolean;
  error?: string;
  attempts: number;
  raw?: string;
}

export interface DeadLetter {
  id: string;
  at_ms: number;
  job: string;
  table: string;
  stream: string;
  region: string;
  shard_id: string;
  sequence_number: string;
  field?: string;
  reason: string;
  redriven: boolean;
  data?: string;
}

export class ApiError extends Error {}

async function call<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(path, init);
  const text = await response.text();
  if (!response.ok) {
    let message = `${response.status} ${response.statusText}`;
    try {
      message = JSON.parse(text).error?.message ?? message;
    } catch {
      // The answer was no JSON: the status line says what there is to say.
    }
    throw new ApiError(message);
  }
  return JSON.parse(text) as T;
}

const json = { "Content-Type": "application/json" };

export const get = <T>(path: string) => call<T>(path);
export const post = <T>(path: string, body: unknown) =>
  call<T>(path, { method: "POST", headers: json, body: JSON.stringify(body) });

export const inbox = (limit: number) =>
  get<{ messages: Mail[] }>(`/_aws/sns/inbox?limit=${limit}`);
export const deadLetters = (limit: number) =>
  get<{ dead_letters: DeadLetter[] }>(`/_leat/api/deadletters?limit=${limit}`);
export interface Series {
  namespace: string;
  metric: string;
  dimensions: Record<string, string>;
  points: [ms: number, sum: number, count: number, min: number, max: number][];
}
export interface SeriesPage {
  series: Series[];
  has_more: boolean;
}
export const series = (query: Record<string, string>) => get<SeriesPage>(`/_aws/cloudwatch/series?${new URLSearchParams(query)}`);
export const redrive = (ids: string[]) =>
  post<{ redriven: number; skipped: number }>("/_leat/api/deadletters/redrive", { ids });
export const stopJob = (id: string) =>
  post<{ state: string }>(`/_leat/api/jobs/${encodeURIComponent(id)}/stop`, {});

export interface Listeners {
  record: (record: StreamRecord) => void;
  /** So many were left out to keep to the rate asked for. */
  skipped?: (count: number) => void;
  state?: (isOpen: boolean) => void;
  /** The server says that it cannot be followed. */
  failed?: (message: string) => void;
}

/** Follows a stream, without loss or repeat when the connection is lost; returns the function that ends it. */
export function tail(stream: { name: string; region: string }, options: Record<string, string>, on: Listeners): () => void {
  let at = 0;
  let seen = new Set<string>(); // Of the millisecond `at`.
  const take = (data: string) => {
    const record = JSON.parse(data) as StreamRecord;
    const id = `${record.sequence_number}.${record.sub_sequence ?? 0}`;
    if (record.arrival_ms > at) [at, seen] = [record.arrival_ms, new Set()];
    else if (seen.has(id)) return;
    seen.add(id);
    on.record(record);
  };
  return follow({
    url: () => {
      const from: Record<string, string> = at > 0 && options["resume"] !== "no" ? { from: String(at) } : {};
      const query = new URLSearchParams({ region: stream.region, ...options, ...from });
      query.delete("resume");
      return `/_leat/api/streams/${encodeURIComponent(stream.name)}/tail?${query}`;
    },
    events: { record: take, skipped: (data) => on.skipped?.((JSON.parse(data) as { count: number }).count) },
    state: on.state,
    failed: (message) => on.failed?.(message),
  });
}

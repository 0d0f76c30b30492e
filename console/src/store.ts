// What the page knows: the newest snapshots, and what is open.
import { computed, signal } from "@preact/signals";
import type { Snapshot } from "./api";

const HISTORY = 8;

export const snapshots = signal<Snapshot[]>([]);
export const isConnected = signal(false);
export const route = signal(location.hash.slice(1) || "/");
export const theme = signal<"auto" | "light" | "dark">(
  (localStorage.getItem("theme") as "light" | "dark" | null) ?? "auto",
);

export const latest = computed(() => snapshots.value.at(-1));
/** The one that rates are measured against: about two seconds back. */
export const earlier = computed(() => snapshots.value[0]);

export type Labels = Record<string, string>;

function matches(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

/** Sum of a family's samples that carry these labels; undefined when there is none. */
export function read(snapshot: Snapshot | undefined, family: string, labels: Labels): number | undefined {
  const samples = snapshot?.metrics[family]?.filter((sample) => matches(sample.labels, labels));
  if (!samples || samples.length === 0) return undefined;
  return samples.reduce((sum, sample) => sum + (sample.value ?? 0), 0);
}

/** Per second, between the two snapshots. */
export function rate(family: string, labels: Labels): number {
  const [from, to] = [earlier.value, latest.value];
  if (!from || !to || to.at_ms <= from.at_ms) return 0;
  const before = read(from, family, labels);
  const after = read(to, family, labels);
  if (before === undefined || after === undefined) return 0;
  return (Math.max(after - before, 0) * 1000) / (to.at_ms - from.at_ms);
}

export function start(): void {
  const source = new EventSource("/_leat/api/events?interval_ms=500");
  source.addEventListener("snapshot", (event) => {
    const next = JSON.parse((event as MessageEvent).data) as Snapshot;
    snapshots.value = [...snapshots.value, next].slice(-HISTORY);
    isConnected.value = true;
  });
  source.addEventListener("error", () => {
    isConnected.value = false;
  });
  addEventListener("hashchange", () => {
    route.value = location.hash.slice(1) || "/";
  });
}

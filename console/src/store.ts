// What the page knows: the newest snapshots, what is open, and how it looks.
import { computed, signal } from "@preact/signals";
import type { Snapshot } from "./api";
import { follow } from "./follow";

const INTERVAL_MS = 500;
/** Rates are measured over this many snapshots: about four seconds. */
const WINDOW = 8;
/** Rates kept for the small curves: two minutes. */
const CURVE_POINTS = 240;

export const snapshots = signal<Snapshot[]>([]);
export const isConnected = signal(false);
export const hasTried = signal(false);
export const route = signal(location.hash.slice(1) || "/");
export type Theme = "auto" | "light" | "dark";
export const theme = signal<Theme>((localStorage.getItem("theme") as Theme | null) ?? "auto");

export const latest = computed(() => snapshots.value.at(-1));
/** The one that rates are measured against. */
export const earlier = computed(() => snapshots.value[0]);

export type Labels = Record<string, string>;

/** The path and the parameters of the address. */
export const place = computed(() => {
  const [path = "/", query = ""] = route.value.split("?");
  return { path: path.split("/").slice(1).map(decodeURIComponent), query: new URLSearchParams(query) };
});

export function link(path: string[], query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((e): e is [string, string] => e[1] !== undefined && e[1] !== "");
  const text = new URLSearchParams(given).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text === "" ? "" : `?${text}`}`;
}

function matches(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

/** Sum of a family's samples that carry these labels; undefined when there is none. */
export function read(snapshot: Snapshot | undefined, family: string, labels: Labels): number | undefined {
  const samples = snapshot?.metrics[family]?.filter((sample) => matches(sample.labels, labels));
  if (!samples || samples.length === 0) return undefined;
  return samples.reduce((sum, sample) => sum + (sample.value ?? 0), 0);
}

/** A quantile of a histogram in seconds; undefined when it is empty. */
export function quantile(family: string, labels: Labels, which: "p50" | "p99"): number | undefined {
  const sample = latest.value?.metrics[family]?.find((s) => matches(s.labels, labels));
  return sample?.count ? sample[which] : undefined;
}

function between(from: Snapshot | undefined, to: Snapshot | undefined, family: string, labels: Labels): number {
  if (!from || !to || to.at_ms <= from.at_ms) return 0;
  const after = read(to, family, labels);
  if (after === undefined) return 0;
  // What was not there before had counted nothing.
  return (Math.max(after - (read(from, family, labels) ?? 0), 0) * 1000) / (to.at_ms - from.at_ms);
}

/** Per second, between the two snapshots. */
export function rate(family: string, labels: Labels): number {
  return between(earlier.value, latest.value, family, labels);
}

interface Curve {
  family: string;
  labels: Labels;
  points: number[];
}
const curves = new Map<string, Curve>();

/** The rates since somebody first asked for them, oldest first. */
export function curve(family: string, labels: Labels): number[] {
  const key = family + JSON.stringify(labels);
  let found = curves.get(key);
  if (!found) {
    found = { family, labels, points: [] };
    curves.set(key, found);
  }
  return found.points;
}

function take(next: Snapshot): void {
  const before = snapshots.value;
  // A server that was started anew counts from zero.
  const isSameServer = before.length === 0 || before.at(-1)!.id.split("-")[0] === next.id.split("-")[0];
  const kept = isSameServer ? [...before, next].slice(-WINDOW) : [next];
  for (const c of curves.values()) {
    c.points.push(between(kept.at(-4) ?? kept[0], next, c.family, c.labels));
    if (c.points.length > CURVE_POINTS) c.points.shift();
  }
  snapshots.value = kept;
  isConnected.value = true;
}

export function start(): void {
  follow({
    url: () => `/_leat/api/events?interval_ms=${INTERVAL_MS}`,
    events: { snapshot: (data) => take(JSON.parse(data) as Snapshot) },
    state: (isOpen) => {
      isConnected.value = isOpen;
      hasTried.value = true;
    },
  });
  addEventListener("hashchange", () => {
    route.value = location.hash.slice(1) || "/";
  });
}

// Numbers and times as people read them. A number on the page names its metric, so that a test (and a
// curious reader) can hold it against /metrics.
import type { Labels } from "./store";
import { latest, quantile, rate, read } from "./store";

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export function count(value: number): string {
  return whole.format(value);
}

export function percent(share: number): string {
  return `${share > 0 && share < 0.1 ? (share * 100).toFixed(1) : Math.floor(share * 100)} %`;
}

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

export function perSecond(value: number): string {
  if (value === 0) return "0/s";
  if (value < 10) return `${value.toFixed(1)}/s`;
  if (value < 1000) return `${whole.format(value)}/s`;
  return value < 1e6 ? `${(value / 1e3).toFixed(value < 1e4 ? 1 : 0)}k/s` : `${(value / 1e6).toFixed(1)}M/s`;
}

export function duration(seconds: number): string {
  if (seconds > 0 && seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

export function clock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}

export function dateTime(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").slice(0, 19);
}

interface ValueProps {
  metric: string;
  labels: Labels;
  as?: (value: number) => string;
}

/** The metric's value at the newest snapshot. */
export function Value({ metric, labels, as = count }: ValueProps) {
  const value = read(latest.value, metric, labels);
  return (
    <span class="num" data-metric={metric} data-labels={JSON.stringify(labels)} data-value={value}>
      {value === undefined ? "–" : as(value)}
    </span>
  );
}

/** The metric's rate between two snapshots. */
export function Rate({ metric, labels, as = perSecond }: ValueProps) {
  const value = rate(metric, labels);
  return (
    <span class="num" data-rate={metric} data-labels={JSON.stringify(labels)} data-value={value}>
      {as(value)}
    </span>
  );
}

/** A quantile of a histogram since start: at most this long. */
export function Quantile({ metric, labels, which }: { metric: string; labels: Labels; which: "p50" | "p99" }) {
  const value = quantile(metric, labels, which);
  return (
    <span class="num" data-quantile={metric} data-labels={JSON.stringify(labels)} data-which={which} data-value={value}>
      {value === undefined ? "–" : `≤ ${duration(value)}`}
    </span>
  );
}

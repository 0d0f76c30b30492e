// Accidents per second by severity, from the records of the live tail.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "./store";

const SECONDS = 120;
const HEIGHT = 150;
const LEVELS = [1, 2, 3, 4];

/** Counts by second and severity; the newest second is still filling. Of the time before the page
 * looked nothing is known: there the lines have not begun. */
export class SeverityCounts {
  private readonly slots = new Map<number, number[]>();
  private since = Math.floor(Date.now() / 1000);

  add(severity: number, atMs: number): void {
    const second = Math.floor(atMs / 1000);
    let slot = this.slots.get(second);
    if (!slot) {
      slot = [0, 0, 0, 0];
      this.slots.set(second, slot);
      this.since = Math.min(this.since, second);
      for (const old of this.slots.keys()) if (old < second - SECONDS - 5) this.slots.delete(old);
    }
    slot[severity - 1] = (slot[severity - 1] ?? 0) + 1;
  }

  /** The last two minutes up to the second before this one. */
  series(nowMs: number): uPlot.AlignedData {
    const last = Math.floor(nowMs / 1000) - 1;
    const times = Array.from({ length: SECONDS }, (_, i) => last - SECONDS + 1 + i);
    const at = (time: number, level: number) => this.slots.get(time)?.[level - 1] ?? (time < this.since ? null : 0);
    return [times, ...LEVELS.map((level) => times.map((time) => at(time, level)))];
  }
}

const shortTime = (seconds: number) => new Date(seconds * 1000).toTimeString().slice(0, 8);

export function SeverityChart({ counts }: { counts: () => SeverityCounts }) {
  const box = useRef<HTMLDivElement>(null);
  const chosen = theme.value;
  useEffect(() => {
    const element = box.current!;
    const style = getComputedStyle(element);
    const colour = (name: string) => style.getPropertyValue(name);
    const axis = { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        cursor: { y: false },
        legend: { show: false },
        scales: { x: { time: true }, y: { range: (_u, _min, max) => [0, Math.max(max * 1.15, 4)] } },
        axes: [{ ...axis, size: 26, grid: { show: false }, values: (_u, ticks) => ticks.map(shortTime) }, { ...axis, size: 38 }],
        series: [
          {},
          ...LEVELS.map((level) => ({
            label: `Severity ${level}`,
            stroke: colour(`--severity-${level}`),
            width: 1.75,
            fill: `${colour(`--severity-${level}`)}1c`,
            points: { show: false },
          })),
        ],
      },
      counts().series(Date.now()),
      element,
    );
    const timer = setInterval(() => plot.setData(counts().series(Date.now())), 1000);
    const resize = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    resize.observe(element);
    return () => {
      clearInterval(timer);
      resize.disconnect();
      plot.destroy();
    };
  }, [chosen]);
  return <div class="chart" ref={box} role="img" aria-label="Accidents per second by severity" />;
}

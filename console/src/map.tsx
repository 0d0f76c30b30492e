// Accidents on the map, as their records arrive.
import { useEffect, useRef } from "preact/hooks";
import type { StreamRecord } from "./api";
import { borders, land } from "./us-map.gen";

const WIDTH = 975;
const HEIGHT = 610;
const LIFE_MS = 12000;
const DOTS_MAX = 1500;

// Albers' equal-area conic for the lower 48, as us-atlas projects its states.
const radians = Math.PI / 180;
const [south, north] = [Math.sin(29.5 * radians), Math.sin(45.5 * radians)];
const n = (south + north) / 2;
const c = 1 + south * (2 * n - south);
const r0 = Math.sqrt(c) / n;
const SCALE = 1300;

function conic(longitude: number, latitude: number): [number, number] {
  const r = Math.sqrt(c - 2 * n * Math.sin(latitude * radians)) / n;
  const angle = longitude * radians * n;
  return [r * Math.sin(angle), r0 - r * Math.cos(angle)];
}
const [centreX, centreY] = conic(-0.6, 38.7);

export function project(longitude: number, latitude: number): [number, number] {
  const [px, py] = conic(longitude + 96, latitude);
  return [WIDTH / 2 + SCALE * (px - centreX), HEIGHT / 2 - SCALE * (py - centreY)];
}

export interface Accident {
  x: number;
  y: number;
  severity: number;
  at: number;
}

/** The place and severity in a record of the founding stream; null when it has none. */
export function accidentOf(record: StreamRecord, at: number): Accident | null {
  if (!record.data) return null;
  try {
    const row = JSON.parse(record.data) as Record<string, unknown>;
    const [lat, lng] = [Number(row["Start_Lat"]), Number(row["Start_Lng"])];
    const severity = Number(row["Severity"]);
    if (!row["Start_Lat"] || !Number.isFinite(lat) || !Number.isFinite(lng) || !Number.isFinite(severity)) return null;
    const [x, y] = project(lng, lat);
    return { x, y, severity: Math.min(Math.max(Math.round(severity), 1), 4), at };
  } catch {
    return null;
  }
}

export function UsMap({ accidents }: { accidents: { current: Accident[] } }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let frame = 0;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const draw = () => {
      frame = requestAnimationFrame(draw);
      const element = canvas.current;
      const context = element?.getContext("2d");
      if (!element || !context) return;
      const scale = (element.clientWidth * devicePixelRatio) / WIDTH;
      const [wide, high] = [Math.round(WIDTH * scale), Math.round(HEIGHT * scale)];
      if (element.width !== wide) {
        element.width = wide;
        element.height = high;
      }
      const now = performance.now();
      const alive = accidents.current.filter((a) => now - a.at < LIFE_MS).slice(-DOTS_MAX);
      accidents.current = alive;
      const style = getComputedStyle(element);
      const colours = [1, 2, 3, 4].map((level) => style.getPropertyValue(`--severity-${level}`));
      context.setTransform(scale, 0, 0, scale, 0, 0);
      context.clearRect(0, 0, WIDTH, HEIGHT);
      for (const a of alive) {
        const age = (now - a.at) / LIFE_MS;
        context.globalAlpha = Math.max(1 - age, 0) ** 1.4;
        context.fillStyle = context.strokeStyle = colours[a.severity - 1] ?? "#888";
        context.beginPath();
        context.arc(a.x, a.y, 2 + a.severity * 0.9, 0, 7);
        context.fill();
        const ring = (now - a.at) / 900;
        if (ring < 1 && !still) {
          context.globalAlpha = 1 - ring;
          context.beginPath();
          context.arc(a.x, a.y, 4 + ring * 14 * (a.severity / 2), 0, 7);
          context.stroke();
        }
      }
      context.globalAlpha = 1;
    };
    frame = requestAnimationFrame(draw);
    return () => cancelAnimationFrame(frame);
  }, []);
  return (
    <div class="map" role="img" aria-label="Accidents as they arrive on a map of the United States">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
        <path d={land} class="land" />
        <path d={borders} class="borders" />
      </svg>
      <canvas ref={canvas} />
    </div>
  );
}

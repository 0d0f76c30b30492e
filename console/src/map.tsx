// Accidents on the map, as their records arrive.
import { useEffect, useRef } from "preact/hooks";
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

export interface Dot {
  x: number;
  y: number;
  severity: number;
  at: number;
}

/** Where a row of the founding stream lies on the map; null when it does not say. */
export function placeOf(row: Record<string, unknown>): { x: number; y: number } | null {
  const [lat, lng] = [row["Start_Lat"], row["Start_Lng"]].map((v) => (v === null || v === "" ? NaN : Number(v)));
  if (!Number.isFinite(lat) || !Number.isFinite(lng)) return null;
  const [x, y] = project(lng!, lat!);
  return x >= 0 && x <= WIDTH && y >= 0 && y <= HEIGHT ? { x, y } : null;
}

export function UsMap({ dots }: { dots: () => Dot[] }) {
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
      const all = dots();
      all.splice(0, Math.max(all.findIndex((d) => now - d.at < LIFE_MS), all.length - DOTS_MAX, 0));
      const style = getComputedStyle(element);
      const colours = [1, 2, 3, 4].map((level) => style.getPropertyValue(`--severity-${level}`));
      context.setTransform(scale, 0, 0, scale, 0, 0);
      context.clearRect(0, 0, WIDTH, HEIGHT);
      for (const a of all) {
        const age = (now - a.at) / LIFE_MS;
        if (age >= 1) continue;
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

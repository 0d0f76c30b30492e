// Builds the console into ../src/console/web (or the folder given): one script, one style sheet, one page.
import { build } from "esbuild";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { feature, mesh } from "topojson-client";
import { presimplify, quantile, simplify } from "topojson-simplify";

const out = process.argv[2] ? `${process.argv[2]}/` : new URL("../src/console/web/", import.meta.url).pathname;
mkdirSync(out, { recursive: true });

/** SVG path of rings or lines, whole pixels with one decimal, relative steps. */
function path(lines, closed) {
  let text = "";
  for (const line of lines) {
    let [x, y] = [0, 0];
    line.forEach(([px, py], i) => {
      const [nx, ny] = [Math.round(px * 10) / 10, Math.round(py * 10) / 10];
      text += i === 0 ? `M${nx} ${ny}` : `l${+(nx - x).toFixed(1)} ${+(ny - y).toFixed(1)}`;
      [x, y] = [nx, ny];
    });
    if (closed) text += "z";
  }
  return text;
}

function rings(geometry) {
  return geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat();
}

/** The lower 48 states in the projection of us-atlas (975 x 610), simplified. */
function makeMap() {
  const atlas = JSON.parse(readFileSync(new URL("node_modules/us-atlas/states-albers-10m.json", import.meta.url)));
  const weighed = presimplify(atlas);
  const topology = simplify(weighed, quantile(weighed, 0.82));
  const away = new Set(["02", "15", "60", "66", "69", "72", "78"]);
  const states = topology.objects.states;
  states.geometries = states.geometries.filter((g) => !away.has(g.id));
  const land = feature(topology, states).features.flatMap((f) => rings(f.geometry));
  const borders = mesh(topology, states, (a, b) => a !== b);
  return { land: path(land, true), borders: path(borders.coordinates, false) };
}

const map = makeMap();
writeFileSync(new URL("src/us-map.gen.ts", import.meta.url),
  `// Made by build.mjs from us-atlas (public domain data of the US Census Bureau); do not edit.\n` +
  `export const land = ${JSON.stringify(map.land)};\nexport const borders = ${JSON.stringify(map.borders)};\n`);

await build({
  entryPoints: [new URL("src/main.tsx", import.meta.url).pathname],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".css": "css" },
  outdir: out,
  entryNames: "console",
  legalComments: "none",
  charset: "utf8",
  logLevel: "info",
});
for (const file of ["index.html", "icon.svg"]) {
  writeFileSync(out + file, readFileSync(new URL(`src/${file}`, import.meta.url)));
}

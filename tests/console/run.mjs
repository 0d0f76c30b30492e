// Tests of the console in a real Chromium, against a leat of their own. The last line is "N passed, M failed".
// usage: node tests/console/run.mjs [NAME]   (only the tests whose name has NAME)
import { chromium } from "playwright-core";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tests } from "./cases.mjs";
import { Leat } from "./server.mjs";
import { World } from "./world.mjs";

const CASE_MS = 30000;
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const profile = mkdtempSync(join(tmpdir(), "leat-chromium-"));
const wanted = process.argv[2] ?? "";
let [passed, failed] = [0, 0];

const leat = await new Leat().start();
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: flags,
  timeout: 20000, viewport: { width: 1280, height: 800 }, permissions: ["clipboard-read", "clipboard-write"],
});

const late = (ms) => new Promise((_, reject) => setTimeout(() => reject(new Error(`took longer than ${ms} ms`)), ms).unref());

browser.setDefaultTimeout(10000);
try {
  const world = new World(browser, leat);
  for (const [name, run] of tests) {
    if (!name.includes(wanted)) continue;
    const start = Date.now();
    try {
      await Promise.race([run(world), late(CASE_MS)]);
      await world.settle();
      passed++;
      console.log(`ok    ${name} (${Date.now() - start} ms)`);
    } catch (error) {
      failed++;
      console.log(`FAIL  ${name}\n${String(error.stack ?? error).split("\n").slice(0, 12).map((line) => `      ${line}`).join("\n")}`);
      await world.drop();
    }
  }
} finally {
  await browser.close();
  await leat.remove();
  rmSync(profile, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

// The tests, in the order in which they run: the first ones see an empty server.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { key, Leat } from "./server.mjs";
import { RESULTS, STREAM } from "./world.mjs";

const root = new URL("../../", import.meta.url).pathname;
const PAGES = ["/", "/streams", "/jobs", "/metrics", "/inbox", "/deadletters"];
export const tests = [];
const test = (name, run) => tests.push([name, run]);

/** Everything on the page that says which metric it is, with the ids of the two instants, read at once. */
const figures = () => {
  const shell = document.querySelector("[data-snapshot]");
  const read = (attribute) => [...document.querySelectorAll(`[data-${attribute}]`)].map((e) => ({
    family: e.dataset[attribute], labels: JSON.parse(e.dataset.labels), value: e.dataset.value, text: e.textContent, which: e.dataset.which }));
  return { snapshot: shell.dataset.snapshot, earlier: shell.dataset.earlier, values: read("metric"), rates: read("rate"), quantiles: read("quantile") };
};

/** Sum over the series that carry these labels, as the page does it; undefined when there is none. */
function sum(metrics, family, labels) {
  const part = Object.entries(labels).map(([k, v]) => `${k}="${v}"`);
  const found = [...metrics].filter(([k]) => k.startsWith(`${family}{`) && part.every((p) => k.slice(family.length + 1, -1).split(/,(?=\w+=")/).includes(p)));
  return found.length === 0 ? undefined : found.reduce((total, [, v]) => total + v, 0);
}

const near = (a, b) => Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a), Math.abs(b));
const whole = (n) => n.toLocaleString("en-US", { maximumFractionDigits: 0 });

/** Holds every number of the page against /metrics at the same instant; returns how many there were. */
async function compare(world, page) {
  const seen = await page.evaluate(figures);
  const now = await world.leat.metrics(seen.snapshot);
  const before = await world.leat.metrics(seen.earlier);
  for (const { family, labels, value, text } of seen.values) {
    const expected = sum(now, family, labels);
    if (expected === undefined) {
      assert.equal(text, "–", `${family} is not in /metrics`);
      continue;
    }
    assert.ok(near(Number(value), expected), `${family} ${JSON.stringify(labels)}: page ${value}, /metrics ${expected}`);
    if (/_total$/.test(family) && !/bytes|seconds/.test(family)) assert.equal(text, whole(expected), family);
  }
  for (const { family, labels, value } of seen.rates) {
    const grown = Math.max((sum(now, family, labels) ?? 0) - (sum(before, family, labels) ?? 0), 0);
    // The time between the two instants is the page's; zero must be zero, and growth must be growth.
    assert.equal(Number(value) > 0, grown > 0, `rate of ${family}: ${value}, grown by ${grown}`);
  }
  for (const { family, labels, value, which } of seen.quantiles) {
    const count = now.get(key(`${family}_count`, labels)) ?? sum(now, `${family}_count`, labels);
    assert.equal(value !== undefined, count > 0, family);
    if (count > 0) assert.ok(near(Number(value), quantileOf(now, family, labels, which === "p50" ? 0.5 : 0.99)), `${family} ${which} ${value}`);
  }
  return seen.values.length + seen.rates.length + seen.quantiles.length;
}

/** The bound of the bucket that holds the quantile. */
function quantileOf(metrics, family, labels, q) {
  const part = Object.entries(labels).map(([k, v]) => `${k}="${v}"`);
  const buckets = [...metrics].filter(([k]) => k.startsWith(`${family}_bucket{`) && part.every((p) => k.includes(p)))
    .map(([k, n]) => [Number(/le="([^"]+)"/.exec(k)[1].replace("+Inf", "Infinity")), n]).sort((a, b) => a[0] - b[0]);
  const rank = Math.ceil(q * buckets.at(-1)[1]);
  return buckets.find(([, n]) => n >= rank)[0];
}

const textOf = (page, selector) => page.locator(selector).first().textContent();

// --- an empty server

test("an empty server says what to do, on every page", async (world) => {
  for (const hash of await world.served(PAGES)) {
    const page = await world.open(hash);
    await page.waitForFunction(() => document.querySelectorAll(".empty").length > 0, null, { timeout: 5000 })
      .catch(async () => assert.fail(`${hash} shows: ${await textOf(page, "main")}`));
    const words = (await page.locator(".empty").allTextContents()).join(" ");
    assert.match(words, hash === "/deadletters" ? /None\./ : /leat |sdk/i, `${hash}: ${words}`);
    await world.settle(); // A browser has six connections, and each page holds one or two.
  }
});

test("an unknown page says so", async (world) => {
  const page = await world.open("/nonsense");
  assert.match(await textOf(page, ".empty"), /no page “nonsense”/);
});

// --- the pipeline

test("the graph shows what is there and how fast it flows", async (world) => {
  await world.pipeline();
  const page = await world.open();
  await page.waitForSelector(".node.job");
  const titles = await page.locator(".node strong").allTextContents();
  assert.deepEqual(titles.sort(), ["Producers", STREAM, RESULTS, (await jobs(world))[0].name.replace("insert-into_", "")].sort());
  assert.equal(await page.locator(".edge").count(), 3);
  await world.put(30);
  await page.waitForSelector(".edge.moving >> nth=2", { state: "attached" });
  assert.match(await textOf(page, ".idle"), /sensors eu-west-1/);
});

const jobs = async (world) => JSON.parse(await world.leat.api("/_leat/api/jobs")).jobs;

test("every number equals /metrics at the same instant", async (world) => {
  await world.pipeline();
  let compared = 0;
  for (const hash of ["/", "/streams", "/jobs", `/streams/us-east-1/${STREAM}`]) {
    const page = await world.open(hash);
    for (let round = 0; round < 4; round++) {
      await world.put(7);
      const before = (await page.evaluate(figures)).snapshot;
      await page.waitForFunction((id) => document.querySelector("[data-snapshot]").dataset.snapshot !== id, before);
      compared += await compare(world, page);
    }
  }
  assert.ok(compared > 100, `only ${compared} numbers were compared`);
});

test("the map and the chart show the records that arrive, and nothing else", async (world) => {
  await world.pipeline();
  const page = await world.open("/");
  const painted = () => page.evaluate(() => {
    const canvas = document.querySelector(".map canvas");
    return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((v) => v > 0);
  });
  await page.waitForFunction(() => document.querySelector(".live header small")?.textContent === "us-accidents-data-stream-1");
  await page.waitForTimeout(600);
  assert.equal(await painted(), false, "dots without a record");
  await world.put(4);
  await page.waitForSelector(".latest li");
  await page.waitForFunction(() => {
    const canvas = document.querySelector(".map canvas");
    return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((v) => v > 0);
  });
  const shown = await page.locator(".latest li").count();
  assert.equal(shown, 4);
  assert.match(await textOf(page, ".latest li"), new RegExp(`Accident number ${world.next - 1}$`));
  assert.match(await textOf(page, ".column .card:nth-child(2) header small"), /^4 since/);
});

test("the chart begins when the page did", async (world) => {
  await world.pipeline();
  const page = await world.open("/");
  await page.waitForSelector(".chart canvas");
  await world.put(4);
  // Coloured pixels of a part of the chart; its axes and their texts are grey.
  const coloured = (from, to) => page.evaluate(([from, to]) => {
    const canvas = document.querySelector(".chart canvas");
    const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let n = 0;
    for (let i = 0; i < data.length; i += 4) {
      const x = (i / 4) % width / width;
      const rgb = [data[i], data[i + 1], data[i + 2]];
      if (x >= from && x < to && data[i + 3] > 200 && Math.max(...rgb) - Math.min(...rgb) > 70) n++;
    }
    return n;
  }, [from, to]);
  const end = Date.now() + 10000;
  while (await coloured(0.9, 1) === 0) assert.ok(Date.now() < end, "no line on the right");
  assert.equal(await coloured(0, 0.7), 0, "a line where nothing is known");
});

test("the chart's last time is not cut at its edge", async (world) => {
  await world.pipeline();
  const page = await world.open("/");
  await page.waitForSelector(".chart canvas");
  const over = await page.evaluate(async () => {
    // The newest second shown begins a minute, so that it has a label.
    Date.now = () => 1700000041000;
    const canvas = document.querySelector(".chart canvas");
    const context = canvas.getContext("2d");
    const edge = canvas.closest(".card").getBoundingClientRect().right - canvas.getBoundingClientRect().left;
    const ends = [];
    context.fillText = (text, x) => /:/.test(text) && ends.push(x + context.measureText(text).width / 2 - edge);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    return Math.max(...ends);
  });
  assert.ok(over > -100, `no label near the edge: ${over}`);
  assert.ok(over <= 0, `${over} pixels beyond the edge`);
});

test("a dot lies where the accident happened", async (world) => {
  await world.pipeline();
  const page = await world.open("/");
  await page.waitForTimeout(600);
  const at = { ID: "A-x", Severity: "4", Start_Lat: "39.96", Start_Lng: "-83.0", City: "Columbus", State: "OH", Txn_Timestamp: "2023-11-14T22:20:00.000" };
  await world.leat.put(STREAM, [{ key: "4", data: JSON.stringify(at) }]);
  await page.waitForSelector(".latest li");
  await page.waitForTimeout(1200);
  const centre = await page.evaluate(() => {
    const canvas = document.querySelector(".map canvas");
    const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let [x, y, n] = [0, 0, 0];
    for (let i = 3; i < data.length; i += 4) {
      if (data[i] < 100) continue;
      x += ((i - 3) / 4) % width; y += Math.floor((i - 3) / 4 / width); n++;
    }
    return [x / n / width, y / n / height];
  });
  // The middle of Ohio, between Indiana's border (x = 682) and Pennsylvania's (x = 757) on the map of 975 x 610.
  assert.ok(Math.abs(centre[0] - 720 / 975) < 0.01 && Math.abs(centre[1] - 260 / 610) < 0.02, `at ${centre}`);
});

// --- streams and records

test("a stream's tail is live; filter, pause and the keys work", async (world) => {
  await world.pipeline();
  const page = await world.open(`/streams/us-east-1/${STREAM}`);
  await page.waitForSelector(".tail .dot.on");
  await world.put(8);
  await page.waitForFunction(() => document.querySelectorAll(".tail tbody tr").length === 8);
  await page.keyboard.press("/");
  await page.keyboard.type(`"A-${world.next - 3}"`);
  await page.waitForFunction(() => document.querySelectorAll(".tail tbody tr").length === 1);
  assert.match(page.url(), /q=%22A-/);
  await page.locator(".tail input").fill("");
  await page.keyboard.press("Escape");
  await page.keyboard.press("p");
  assert.equal(await textOf(page, "[data-pause]"), "Resume");
  await world.put(3);
  await page.waitForFunction(() => /11 seen/.test(document.querySelector(".tail header").textContent));
  assert.equal(await page.locator(".tail tbody tr").count(), 8);
});

test("the inspector shows a record from all sides", async (world) => {
  await world.pipeline();
  const page = await world.open(`/streams/us-east-1/${STREAM}`);
  await page.waitForSelector(".tail .dot.on");
  await world.put(2);
  await page.waitForSelector(".tail tbody tr >> nth=1");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".inspector");
  const id = /A-\d+/.exec(await textOf(page, ".tail tbody tr.picked"))[0];
  assert.match(await textOf(page, ".inspector pre"), new RegExp(`"ID": "${id}"`));
  await page.getByRole("tab", { name: "Bytes" }).click();
  assert.match(await textOf(page, ".inspector pre"), /^000000 {2}7b 22 49 44 22 3a .* {2}\{"ID":"A-/);
  const sequence = /\d{56}/.exec(await textOf(page, ".inspector dl"))[0];
  await page.getByRole("button", { name: "Copy as aws" }).click();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  assert.ok(command.includes(sequence) && command.includes(`--endpoint-url ${world.leat.endpoint}`), command);
  if (existsSync("/usr/bin/aws")) {
    const env = { ...process.env, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
    const answer = JSON.parse(execFileSync("bash", ["-c", command.replaceAll("aws kinesis", "/usr/bin/aws kinesis --output json")], { env }));
    assert.equal(answer.Records[0].SequenceNumber, sequence);
    assert.match(Buffer.from(answer.Records[0].Data, "base64").toString(), new RegExp(id));
  }
  const address = page.url();
  await page.keyboard.press("Escape");
  await page.waitForSelector(".inspector", { state: "detached" });
  const again = await world.open(address.split("#")[1]);
  await again.waitForSelector(".inspector");
  assert.equal(/\d{56}/.exec(await textOf(again, ".inspector dl"))[0], sequence);
});

test("what others wrote is text and nothing else", async (world) => {
  const evil = `<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>"'\u202e`;
  await world.leat.api("/_leat/api/streams", { name: "evil", shards: 1, region: "eu-west-3" });
  const page = await world.open("/streams/eu-west-3/evil");
  await page.waitForSelector(".tail .dot.on");
  await world.leat.put("evil", [{ key: evil, data: JSON.stringify({ [evil]: evil }) }, { key: evil, data: evil }], "eu-west-3");
  await page.waitForFunction(() => document.querySelectorAll(".tail tbody tr").length === 2);
  assert.ok((await textOf(page, ".tail tbody")).includes("onerror="));
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".inspector");
  assert.ok((await textOf(page, ".inspector")).includes("onerror="));
  for (const hash of [`/streams/eu-west-3/${encodeURIComponent(evil)}`, `/jobs/${encodeURIComponent(evil)}`, `/${encodeURIComponent(evil)}`]) {
    const other = await world.open(hash);
    other.mayComplain = true; // There is no such stream, which the browser reports.
    assert.equal(await other.evaluate(() => window.hurt), undefined, hash);
    assert.equal(await other.locator("main img, main script").count(), 0, hash);
  }
  assert.equal(await page.evaluate(() => window.hurt), undefined);
  assert.equal(await page.locator("main img, main script, .inspector img, .inspector script").count(), 0);
});

test("records that are no text are shown as bytes", async (world) => {
  await world.pipeline();
  await world.leat.put("sensors", [{ key: "k", data: Buffer.from([0xff, 0, 0x41]) }], "eu-west-1");
  const page = await world.open("/streams/eu-west-1/sensors?from=trim-horizon");
  await page.locator(".tail tbody tr").first().click();
  assert.match(await textOf(page, ".inspector pre"), /not text/);
  await page.getByRole("tab", { name: "Bytes" }).click();
  assert.match(await textOf(page, ".inspector pre"), /ff 00 41/);
});

test("a stream that is not there is an error, not an empty page", async (world) => {
  const page = await world.open("/streams/us-east-1/no-such-stream");
  page.mayComplain = true; // The browser reports the 404 itself.
  await page.waitForSelector(".problem");
});

test("streams of all regions stand in one list", async (world) => {
  await world.pipeline();
  const page = await world.open("/streams");
  const rows = await page.locator("tbody tr").allTextContents();
  assert.ok(rows.some((r) => r.startsWith("sensorseu-west-1")) && rows.some((r) => r.startsWith(`${STREAM}us-east-1`)), rows.join("\n"));
});

// --- jobs

test("a job shows its state, watermark and SQL, and can be stopped", async (world) => {
  await world.pipeline();
  await world.leat.sql(`CREATE TABLE again WITH ('stream' = '${RESULTS}') LIKE severe; INSERT INTO again SELECT \`ID\`, \`Severity\`, \`City\` FROM accidents WHERE \`Severity\` > 3;`);
  const job = (await jobs(world)).at(-1);
  const page = await world.open(`/jobs/${job.id}`);
  await page.waitForFunction(() => document.querySelector(".sql")?.textContent.includes("> 3"));
  assert.equal((await textOf(page, ".sql")).trim(), job.sql);
  await page.waitForFunction(() => /2023-11-\d\d \d\d:\d\d:\d\d/.test(document.querySelector("main").textContent));
  await page.locator(".job", { has: page.locator(".sql") }).getByRole("button", { name: "Stop" }).click();
  await page.waitForSelector(".state.stopped");
  assert.equal((await jobs(world)).find((j) => j.id === job.id).state, "STOPPED");
});

test("a sink outside the log is a node of the graph", async (world) => {
  await world.pipeline();
  await world.leat.sql("CREATE TABLE hole (`ID` STRING) WITH ('connector' = 'blackhole'); INSERT INTO hole SELECT `ID` FROM accidents;");
  const page = await world.open("/");
  await page.waitForSelector(".node.sink");
  await world.put(5);
  await page.waitForFunction(() => document.querySelectorAll(".edge.moving").length === 5);
  assert.ok((await compare(world, page)) > 10);
  const job = (await jobs(world)).at(-1);
  await world.leat.api(`/_leat/api/jobs/${job.id}/stop`, {});
  await page.waitForSelector(".node.sink", { state: "detached" });
});

test("a replay is an object, what reads it, and a flow into its stream", async (world) => {
  await world.leat.api("/_leat/api/streams", { name: "replayed", shards: 1, region: "eu-west-1" });
  const file = join(mkdtempSync(join(tmpdir(), "leat-replay-")), "rows.csv");
  const csv = execFileSync(process.env.LEAT_BIN ?? join(root, "build/release/leat"), ["generate", "us-accidents", "--rows", "300"]);
  writeFileSync(file, csv);
  const args = ["replay", file, "--stream", "replayed", "--region", "eu-west-1", "--rate", "unlimited"];
  execFileSync(process.env.LEAT_BIN ?? join(root, "build/release/leat"), args, { env: { ...process.env, LEAT_ENDPOINT: world.leat.endpoint } });
  const page = await world.open("/");
  await page.waitForSelector(".node.object");
  assert.match(await textOf(page, ".node.object"), /rows\.csv.*100 % read/);
  assert.match(await page.locator(".node.producer", { hasText: "replay" }).textContent(), /done.*300 rows/);
  await compare(world, page);
});

// --- metrics and mails

test("custom metrics of every region stand on their page, by their dimensions", async (world) => {
  await world.pipeline();
  const put = (region, name, value, number) => world.leat.aws("monitoring", "GraniteServiceVersion20100801.PutMetricData", "1.0", {
    Namespace: "console", MetricData: [{ MetricName: "accidents", Value: number, Dimensions: [{ Name: name, Value: value }] }] }, region);
  await put("us-east-1", "severity", "3", 5);
  await put("us-east-1", "severity", "4", 2);
  await put("us-east-1", "city", "Columbus", 7);
  await put("eu-west-1", "severity", "1", 1);
  const page = await world.open("/metrics");
  await page.waitForFunction(() => document.querySelectorAll(".grid .card").length === 3);
  const cards = await page.locator(".grid .card").allTextContents();
  assert.ok(cards.some((c) => /by severityus-east-1 · 2 series35?/.test(c) && /42/.test(c)), cards.join("\n"));
  assert.ok(cards.some((c) => /by cityus-east-1 · 1 seriesColumbus7/.test(c)), cards.join("\n"));
  assert.ok(cards.some((c) => /by severityeu-west-1 · 1 series11/.test(c)), cards.join("\n"));
});

test("the inbox shows every mail, and its address leads to it again", async (world) => {
  const made = await world.leat.query("sns", { Action: "CreateTopic", Version: "2010-03-31", Name: "console-alerts" }, "eu-west-1");
  const arn = /<TopicArn>([^<]+)/.exec(made)[1];
  for (const to of ["ann@example.com", "ben@example.com"]) {
    await world.leat.query("sns", { Action: "Subscribe", Version: "2010-03-31", TopicArn: arn, Protocol: "email", Endpoint: to }, "eu-west-1");
  }
  const page = await world.open("/inbox");
  await page.waitForSelector(".mails li >> nth=1");
  const first = page.locator(".mails li", { hasText: "ann@example.com" });
  assert.match(await first.textContent(), /eu-west-1/);
  await first.locator("a").click();
  await page.waitForFunction(() => /ann@example\.com/.test(document.querySelector(".mail dl").textContent));
  assert.match(await textOf(page, ".mail pre"), /console-alerts/);
  assert.ok((await page.locator(".mail pre a").getAttribute("href")).startsWith(world.leat.endpoint));
  const again = await world.open(page.url().split("#")[1]);
  await again.waitForFunction(() => /ann@example\.com/.test(document.querySelector(".mail dl")?.textContent ?? ""));
  const front = await world.open("/");
  await front.waitForFunction(() => document.querySelector('[data-metric="leat_sns_mails"]').dataset.value === "2");
});

// --- looks and manners

test("the themes differ, are remembered, and t changes them", async (world) => {
  const page = await world.open("/", { scheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.keyboard.press("t");
  await page.waitForFunction(() => document.documentElement.dataset.theme === "light");
  const light = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  await page.waitForSelector("[data-snapshot]");
  assert.equal(await ground(), light);
  await page.keyboard.press("t");
  await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
  assert.equal(await ground(), dark);
  await page.keyboard.press("t");
  await page.waitForFunction(() => document.documentElement.dataset.theme === "auto");
});

test("texts can be read on their ground, light and dark", async (world) => {
  await world.pipeline();
  for (const scheme of ["light", "dark"]) {
    const page = await world.open("/jobs", { scheme });
    await page.waitForSelector(".figures b");
    const weak = await page.evaluate(() => {
      const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
      const parse = (c) => c.match(/[\d.]+/g).map(Number);
      const groundOf = (e) => {
        for (let at = e; at; at = at.parentElement) {
          const c = parse(getComputedStyle(at).backgroundColor);
          if (c.length < 4 || c[3] > 0.9) return c;
        }
        return [255, 255, 255];
      };
      return [...document.querySelectorAll("main *, nav *")].filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim() !== ""))
        .map((e) => {
          const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(groundOf(e))];
          return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.className, e.textContent.slice(0, 30)];
        }).filter(([ratio]) => ratio < 4.5);
    });
    assert.deepEqual(weak, [], scheme);
  }
});

test("every page fits 1280 and a phone without sideways scrolling", async (world) => {
  await world.pipeline();
  for (const size of [{ width: 1280, height: 800 }, { width: 390, height: 844 }]) {
    for (const hash of [...(await world.served(PAGES)), `/streams/us-east-1/${STREAM}`]) {
      const page = await world.open(hash, { size });
      await page.waitForSelector("main .card");
      const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(inner <= outer, `${hash} at ${size.width}: ${inner} wide`);
      await world.settle();
    }
  }
});

test("who wants less motion gets less", async (world) => {
  await world.pipeline();
  const page = await world.open("/", { motion: "reduce" });
  await world.put(20);
  await page.waitForSelector(".edge.moving", { state: "attached" });
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector(".edge.moving .flow")).animationName), "none");
  const other = await world.open("/");
  await world.put(20);
  await other.waitForSelector(".edge.moving", { state: "attached" });
  assert.equal(await other.evaluate(() => getComputedStyle(document.querySelector(".edge.moving .flow")).animationName), "flow");
});

test("digits lead to the pages, ? to the keys", async (world) => {
  const page = await world.open("/");
  for (const hash of await world.served(PAGES)) {
    await page.keyboard.press(String(PAGES.indexOf(hash) + 1));
    await page.waitForFunction((wanted) => location.hash === wanted, `#${hash}`);
    assert.equal(await page.locator('nav [aria-current="page"]').count(), 1);
  }
  await page.keyboard.press("?");
  await page.waitForSelector("dialog[open]");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog[open]", { state: "detached" });
});

test("a server that goes away is noticed, and so is its return", async (world) => {
  const other = await new Leat().start();
  try {
    const page = await world.browser.newPage();
    page.problems = [];
    page.mayComplain = true; // The browser reports refused connections itself.
    world.pages.push(page);
    await page.goto(`${other.endpoint}/_leat/`);
    await page.waitForSelector("[role=status].on");
    const port = other.port;
    await other.stop();
    await page.waitForSelector("[role=alert]");
    assert.match(await textOf(page, "[role=alert]"), /does not answer/);
    await other.start(port);
    await page.waitForSelector("[role=alert]", { state: "detached", timeout: 20000 });
    await page.waitForSelector("[role=status].on");
  } finally {
    await other.remove();
  }
});

test("a page that nobody looks at holds no connection, and goes on where it was", async (world) => {
  await world.pipeline();
  const page = await world.open(`/streams/us-east-1/${STREAM}`);
  await page.waitForSelector(".tail .dot.on");
  await world.put(3);
  await page.waitForFunction(() => document.querySelectorAll(".tail tbody tr").length === 3);
  const look = (hidden) => page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  await look(true);
  const before = await page.evaluate(() => document.querySelector("[data-snapshot]").dataset.snapshot);
  await world.put(4);
  await page.waitForTimeout(1500);
  assert.equal(await page.locator(".tail tbody tr").count(), 3);
  assert.equal(await page.evaluate(() => document.querySelector("[data-snapshot]").dataset.snapshot), before);
  await look(false);
  await page.waitForFunction(() => document.querySelectorAll(".tail tbody tr").length === 7);
  await page.waitForFunction((id) => document.querySelector("[data-snapshot]").dataset.snapshot !== id, before);
});

test("dead letters show their reason and can be sent again", async (world) => {
  await world.pipeline();
  await world.leat.put(STREAM, [{ key: "1", data: '{"ID": "broken", "Severity": "many", "City": "Nowhere", "Txn_Timestamp": "2023-11-14T22:20:00.000"}' }]);
  const page = await world.open("/deadletters");
  await page.waitForSelector(".letters tbody tr");
  const row = page.locator(".letters [data-row]").first();
  assert.match(await row.textContent(), /us-east-1.*Severity.*us-accidents-data-stream-1/);
  await row.click();
  assert.match(await textOf(page, ".letters pre"), /"ID": "broken"/);
  const front = await world.open("/");
  await front.waitForSelector(".node.dead");
  await page.getByRole("button", { name: "Send again" }).first().click();
  await page.waitForSelector(".notice");
  assert.match(await textOf(page, ".notice"), /^1 sent again/);
});

test("the page is small and quick", async (world) => {
  const page = await world.open("/");
  await page.waitForSelector(".figures b");
  const { bytes, ready } = await page.evaluate(() => ({
    bytes: performance.getEntriesByType("resource").filter((e) => /\.(js|css|svg)$/.test(e.name)).reduce((sum, e) => sum + e.encodedBodySize, 0),
    ready: performance.getEntriesByType("navigation")[0].domInteractive,
  }));
  assert.ok(bytes > 10000 && bytes < 120 * 1024, `${bytes} bytes`);
  assert.ok(ready > 0);
});

test("the committed bundle is what its sources make", async () => {
  const modules = join(root, "console/node_modules");
  if (!existsSync(modules)) execFileSync("npm", ["ci", "--no-audit", "--no-fund", "--silent"], { cwd: join(root, "console") });
  const out = mkdtempSync(join(tmpdir(), "leat-bundle-"));
  try {
    execFileSync("npx", ["tsc", "--noEmit"], { cwd: join(root, "console") });
    execFileSync("node", ["build.mjs", out], { cwd: join(root, "console"), stdio: "ignore" });
    const names = readdirSync(join(root, "src/console/web")).sort();
    assert.deepEqual(readdirSync(out).sort(), names);
    for (const name of names) {
      assert.ok(readFileSync(join(out, name)).equals(readFileSync(join(root, "src/console/web", name))), `${name} differs: run npm run build in console/`);
    }
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});

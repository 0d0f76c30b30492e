// What a test has at hand: pages that notice every error and every request, and a pipeline to look at.
import assert from "node:assert/strict";

export const STREAM = "us-accidents-data-stream-1";
export const RESULTS = "us-accidents-data-stream-2";

const SQL = `
CREATE TABLE accidents (
    \`ID\` STRING, \`Severity\` BIGINT, \`City\` STRING, \`Txn_Timestamp\` TIMESTAMP(3),
    WATERMARK FOR \`Txn_Timestamp\` AS \`Txn_Timestamp\` - INTERVAL '5' SECOND
) WITH ('connector' = 'kinesis', 'stream' = '${STREAM}', 'aws.region' = 'us-east-1', 'scan.stream.initpos' = 'TRIM_HORIZON',
        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE TABLE severe (\`ID\` STRING, \`Severity\` BIGINT, \`City\` STRING)
WITH ('connector' = 'kinesis', 'stream' = '${RESULTS}', 'aws.region' = 'us-east-1', 'format' = 'json');
INSERT INTO severe SELECT \`ID\`, \`Severity\`, \`City\` FROM accidents WHERE \`Severity\` > 2;
`;

const CITIES = [["Columbus", "OH", 39.96, -83.0], ["Houston", "TX", 29.76, -95.37], ["Los Angeles", "CA", 34.05, -118.24], ["Miami", "FL", 25.76, -80.19]];

/** Records in the form of the founding producer: each value is text. */
export function accidents(first, number) {
  return Array.from({ length: number }, (_, i) => {
    const id = first + i;
    const [City, State, lat, lng] = CITIES[id % CITIES.length];
    const Severity = String((id % 4) + 1);
    const row = {
      ID: `A-${id}`, Severity, Start_Lat: String(lat + (id % 7) / 10), Start_Lng: String(lng + (id % 5) / 10), City, State,
      Description: `Accident number ${id}`, Txn_Timestamp: new Date(1700000000000 + id * 1000).toISOString().slice(0, 23),
    };
    return { key: Severity, data: JSON.stringify(row) };
  });
}

export class World {
  constructor(browser, leat) {
    this.browser = browser;
    this.leat = leat;
    this.next = 1;
    this.pages = [];
  }

  /** The founding pipeline, once. */
  async pipeline() {
    if (this.hasPipeline) return;
    this.hasPipeline = true;
    await this.leat.api("/_leat/api/streams", { name: STREAM, shards: 4 });
    await this.leat.api("/_leat/api/streams", { name: RESULTS, shards: 2 });
    await this.leat.api("/_leat/api/streams", { name: "sensors", shards: 1, region: "eu-west-1" });
    await this.leat.sql(SQL);
    await this.put(40);
  }

  async put(number) {
    await this.leat.put(STREAM, accidents(this.next, number));
    this.next += number;
  }

  /** Those pages whose service this server has. */
  async served(pages) {
    const needs = { "/metrics": "/_aws/cloudwatch/series", "/deadletters": "/_leat/api/deadletters", "/inbox": "/_aws/sns/inbox" };
    const answers = await Promise.all(pages.map(async (page) => !needs[page] || (await fetch(this.leat.endpoint + needs[page])).ok));
    return pages.filter((_, i) => answers[i]);
  }

  /** A page at this address of the console; `problems` fills with what went wrong in it. */
  async open(hash = "/", options = {}) {
    const page = await this.browser.newPage();
    page.problems = [];
    page.on("console", (m) => ["error", "warning"].includes(m.type()) && !m.text().includes("willReadFrequently") && page.problems.push(m.text()));
    page.on("pageerror", (e) => page.problems.push(e.message));
    page.on("request", (r) => r.url().startsWith(this.leat.endpoint) || page.problems.push(`asks ${r.url()}`));
    if (options.size) await page.setViewportSize(options.size);
    await page.emulateMedia({ colorScheme: options.scheme ?? "light", reducedMotion: options.motion ?? "no-preference" });
    await page.goto(`${this.leat.endpoint}/_leat/#${hash}`);
    await page.waitForSelector("[data-snapshot]");
    this.pages.push(page);
    return page;
  }

  /** Ends a test: no page may have complained. */
  async settle() {
    const problems = this.pages.flatMap((page) => (page.mayComplain ? [] : page.problems));
    await this.drop();
    assert.deepEqual(problems, []);
  }

  async drop() {
    for (const page of this.pages) await page.close();
    this.pages = [];
  }
}

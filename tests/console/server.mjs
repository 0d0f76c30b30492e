// A leat of our own, and the few calls that the tests make of it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const READY_MS = 10000;
const binary = process.env.LEAT_BIN ?? new URL("../../build/release/leat", import.meta.url).pathname;

export class Leat {
  async start(port = 0) {
    this.data ??= mkdtempSync(join(tmpdir(), "leat-console-"));
    this.process = spawn(binary, ["start", "--data", this.data, "--port", String(port)], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    this.ended = new Promise((resolve) => this.process.on("exit", resolve));
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`leat was not ready: ${output}`)), READY_MS);
      const take = (chunk) => {
        output += chunk;
        if (output.includes("Ready.")) {
          clearTimeout(timer);
          resolve();
        }
      };
      this.process.stdout.on("data", take);
      this.process.stderr.on("data", take);
      this.process.on("exit", (code) => reject(new Error(`leat ended with ${code}: ${output}`)));
    });
    this.endpoint = /http:\/\/[0-9.:]+/.exec(output)[0];
    return this;
  }

  get port() {
    return Number(new URL(this.endpoint).port);
  }

  async stop() {
    this.process.kill("SIGTERM");
    return this.ended;
  }

  async remove() {
    await this.stop();
    rmSync(this.data, { recursive: true, force: true });
  }

  async api(path, body) {
    const answer = await fetch(this.endpoint + path, body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return text;
  }

  async sql(sql, options = {}) {
    const text = await this.api("/_leat/api/sql", { sql, ...options });
    const lines = text.trim().split("\n").map((line) => JSON.parse(line));
    const failed = lines.find((line) => line.type === "error");
    if (failed) throw new Error(failed.error.rendered);
    return lines;
  }

  /** A call of an AWS service; signatures are read, not checked, when leat has no keys. */
  async aws(service, target, version, input, region = "us-east-1") {
    const answer = await fetch(this.endpoint, {
      method: "POST",
      headers: {
        "Content-Type": `application/x-amz-json-${version}`,
        "X-Amz-Target": target,
        Authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=${"0".repeat(64)}`,
      },
      body: JSON.stringify(input),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${target}: ${answer.status} ${text}`);
    return text === "" ? {} : JSON.parse(text);
  }

  /** A call in the Query protocol. */
  async query(service, parameters, region = "us-east-1") {
    const answer = await fetch(this.endpoint, {
      method: "POST",
      headers: {
        "Content-Type": "application/x-www-form-urlencoded",
        Authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=${"0".repeat(64)}`,
      },
      body: new URLSearchParams(parameters).toString(),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${parameters.Action}: ${answer.status} ${text}`);
    return text;
  }

  put(stream, records, region) {
    return this.aws("kinesis", "Kinesis_20131202.PutRecords", "1.1", {
      StreamName: stream,
      Records: records.map((r) => ({ PartitionKey: String(r.key), Data: Buffer.from(r.data).toString("base64") })),
    }, region);
  }

  /** The Prometheus text of an instant as {"family{label=\"value\",...}": number}, labels sorted. */
  async metrics(snapshot) {
    const text = await this.api(`/metrics?snapshot=${snapshot}`);
    const found = new Map();
    for (const line of text.split("\n")) {
      const match = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (match) found.set(key(match[1], Object.fromEntries([...(match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1], m[2]]))), Number(match[3]));
    }
    return found;
  }
}

export function key(family, labels) {
  return `${family}{${Object.entries(labels).sort().map(([k, v]) => `${k}="${v}"`).join(",")}}`;
}

// One record: decoded, as bytes, and as the commands that bring it again.
import { useState } from "preact/hooks";
import type { StreamRecord } from "./api";
import { bytes } from "./format";

const HEX_BYTES_MAX = 4096;

function pretty(record: StreamRecord): string {
  if (record.data === undefined) return "(not text; see the bytes)";
  try {
    return JSON.stringify(JSON.parse(record.data), null, 2);
  } catch {
    return record.data;
  }
}

function rawBytes(record: StreamRecord): Uint8Array {
  if (record.data !== undefined) return new TextEncoder().encode(record.data);
  return Uint8Array.from(atob(record.data_base64 ?? ""), (ch) => ch.charCodeAt(0));
}

export function hexDump(record: StreamRecord): string {
  const all = rawBytes(record);
  const data = all.subarray(0, HEX_BYTES_MAX);
  const lines: string[] = [];
  for (let at = 0; at < data.length; at += 16) {
    const part = [...data.subarray(at, at + 16)];
    const hex = part.map((b) => b.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    const text = part.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex}  ${text}`);
  }
  if (all.length > data.length) lines.push(`… ${bytes(all.length - data.length)} more`);
  return lines.join("\n");
}

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The commands that read this record again, and put it again. */
export function commandsOf(record: StreamRecord, stream: { name: string; region: string }): { aws: string; leat?: string } {
  const aws = `aws kinesis --endpoint-url ${location.origin} --region ${stream.region}`;
  const iterator =
    `${aws} get-shard-iterator --stream-name ${quote(stream.name)} --shard-id ${record.shard_id}` +
    ` --shard-iterator-type AT_SEQUENCE_NUMBER --starting-sequence-number ${record.sequence_number} --query ShardIterator --output text`;
  const put = record.data === undefined ? undefined
    : `leat stream put ${quote(stream.name)} --region ${stream.region} --partition-key ${quote(record.partition_key)} --data ${quote(record.data)}`;
  return { aws: `${aws} get-records --limit 1 --shard-iterator "$(${iterator})"`, leat: put };
}

function Copy({ text, label }: { text: string; label: string }) {
  const [state, setState] = useState("");
  const copy = () => navigator.clipboard.writeText(text).then(() => setState("Copied"), () => setState("The browser refuses"));
  return <button onClick={copy} onBlur={() => setState("")} title={text.slice(0, 400)}>{state || label}</button>;
}

interface Props {
  record: StreamRecord;
  stream: { name: string; region: string };
  onClose: () => void;
}

export function Inspector({ record, stream, onClose }: Props) {
  const [view, setView] = useState<"data" | "bytes">("data");
  const commands = commandsOf(record, stream);
  return (
    <aside class="inspector" aria-label="Record">
      <header>
        <h3>Record</h3>
        <button class="plain" onClick={onClose} data-close aria-label="Close">✕</button>
      </header>
      <dl>
        <dt>Partition key</dt>
        <dd><code class="wrap">{record.partition_key}</code> → <code>{record.shard_id}</code></dd>
        <dt>Sequence number</dt>
        <dd><code class="wrap">{record.sequence_number}</code>{record.sub_sequence !== undefined && ` · user record ${record.sub_sequence}`}</dd>
        <dt>Arrived</dt>
        <dd>{new Date(record.arrival_ms).toISOString()}</dd>
        <dt>Size</dt>
        <dd>{bytes(record.bytes)}</dd>
      </dl>
      <div class="bar">
        <div class="tabs" role="tablist">
          <button role="tab" aria-selected={view === "data"} onClick={() => setView("data")}>Data</button>
          <button role="tab" aria-selected={view === "bytes"} onClick={() => setView("bytes")}>Bytes</button>
        </div>
        <span class="space" />
        <Copy text={commands.aws} label="Copy as aws" />
        {commands.leat && <Copy text={commands.leat} label="Copy as leat" />}
      </div>
      <pre tabIndex={0}>{view === "data" ? pretty(record) : hexDump(record)}</pre>
    </aside>
  );
}

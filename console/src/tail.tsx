// The live tail of a stream, with an inspector for one record.
import { useEffect, useRef, useState } from "preact/hooks";
import { tail } from "./api";
import type { StreamRecord } from "./api";
import { bytes, clock, count } from "./format";

const ROWS_MAX = 400;
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

function hexDump(record: StreamRecord): string {
  const data = rawBytes(record).subarray(0, HEX_BYTES_MAX);
  const lines: string[] = [];
  for (let at = 0; at < data.length; at += 16) {
    const part = [...data.subarray(at, at + 16)];
    const hex = part.map((b) => b.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    const text = part.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex}  ${text}`);
  }
  return lines.join("\n");
}

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

function Inspector({ record, stream, onClose }: { record: StreamRecord; stream: { name: string; region: string }; onClose: () => void }) {
  const [view, setView] = useState<"json" | "hex">("json");
  const command =
    `aws kinesis get-shard-iterator --stream-name ${quote(stream.name)} --region ${stream.region} --shard-id ${record.shard_id}` +
    ` --shard-iterator-type AT_SEQUENCE_NUMBER --starting-sequence-number ${record.sequence_number}`;
  const putCommand =
    `leat stream put ${quote(stream.name)} --region ${stream.region} --partition-key ${quote(record.partition_key)} --data ${quote(record.data ?? "")}`;
  return (
    <aside class="inspector" aria-label="Record">
      <header>
        <h3>Record</h3>
        <button class="plain" onClick={onClose} aria-label="Close">✕</button>
      </header>
      <dl>
        <dt>Partition key</dt>
        <dd><code>{record.partition_key}</code> → <code>{record.shard_id}</code></dd>
        <dt>Sequence number</dt>
        <dd><code class="wrap">{record.sequence_number}</code>{record.sub_sequence !== undefined && ` · user record ${record.sub_sequence}`}</dd>
        <dt>Arrived</dt>
        <dd>{new Date(record.arrival_ms).toISOString()}</dd>
        <dt>Size</dt>
        <dd>{bytes(record.bytes)}</dd>
      </dl>
      <div class="tabs" role="tablist">
        <button role="tab" aria-selected={view === "json"} onClick={() => setView("json")}>Data</button>
        <button role="tab" aria-selected={view === "hex"} onClick={() => setView("hex")}>Bytes</button>
      </div>
      <pre>{view === "json" ? pretty(record) : hexDump(record)}</pre>
      <div class="actions">
        <button onClick={() => navigator.clipboard.writeText(command)}>Copy as aws</button>
        {record.data !== undefined && <button onClick={() => navigator.clipboard.writeText(putCommand)}>Copy as leat</button>}
      </div>
    </aside>
  );
}

export function Tail({ stream }: { stream: { name: string; region: string } }) {
  const [rows, setRows] = useState<StreamRecord[]>([]);
  const [filter, setFilter] = useState("");
  const [isPaused, setPaused] = useState(false);
  const [isOpen, setOpen] = useState(false);
  const [picked, setPicked] = useState<StreamRecord | null>(null);
  const [seen, setSeen] = useState(0);
  const pending = useRef<StreamRecord[]>([]);
  const paused = useRef(false);
  paused.current = isPaused;

  useEffect(() => {
    setRows([]);
    setPicked(null);
    setSeen(0);
    pending.current = [];
    const end = tail(stream, "latest", (record) => pending.current.push(record), setOpen);
    const timer = setInterval(() => {
      if (pending.current.length === 0) return;
      const fresh = pending.current;
      pending.current = [];
      setSeen((n) => n + fresh.length);
      if (!paused.current) setRows((old) => [...fresh.reverse(), ...old].slice(0, ROWS_MAX));
    }, 200);
    return () => {
      clearInterval(timer);
      end();
    };
  }, [stream.name, stream.region]);

  const wanted = filter.toLowerCase();
  const shown = wanted === "" ? rows : rows.filter((r) => `${r.partition_key} ${r.shard_id} ${r.data ?? ""}`.toLowerCase().includes(wanted));
  return (
    <section class="card tail">
      <header>
        <h2>{stream.name}</h2>
        <span class={isOpen ? "dot on" : "dot"} />
        <small>{isOpen ? `${count(seen)} since you opened it` : "connecting"}</small>
        <span class="space" />
        <input type="search" placeholder="Filter" aria-label="Filter records" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />
        <button aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>{isPaused ? "Resume" : "Pause"}</button>
      </header>
      <div class="split">
        <div class="scroll">
          <table>
            <thead><tr><th>Arrived</th><th>Shard</th><th>Key</th><th class="right">Size</th><th>Data</th></tr></thead>
            <tbody>
              {shown.slice(0, 120).map((record) => (
                <tr key={`${record.sequence_number}.${record.sub_sequence ?? 0}`} tabIndex={0} class={picked === record ? "picked" : ""}
                    onClick={() => setPicked(record)} onKeyDown={(e) => e.key === "Enter" && setPicked(record)}>
                  <td class="num">{clock(record.arrival_ms)}</td>
                  <td class="num">{Number(record.shard_id.slice(-12))}</td>
                  <td>{record.partition_key.slice(0, 40)}</td>
                  <td class="num right">{bytes(record.bytes)}</td>
                  <td class="data">{(record.data ?? "(binary)").replace(/\s+/g, " ").slice(0, 220)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {shown.length === 0 && (
            <p class="empty">{rows.length > 0 ? "No record matches the filter." : "No records since you opened this. They appear the moment they are durable."}</p>
          )}
        </div>
        {picked && <Inspector record={picked} stream={stream} onClose={() => setPicked(null)} />}
      </div>
    </section>
  );
}

// The live tail of a stream. What is looked at stands in the address, so that it can be sent to somebody.
import { useEffect, useRef, useState } from "preact/hooks";
import { tail } from "./api";
import type { StreamRecord } from "./api";
import { bytes, clock, count, Rate } from "./format";
import { Inspector } from "./inspector";
import { latest, link, place } from "./store";

const ROWS_MAX = 500;
const ROWS_SHOWN = 120;
const RECORDS_PER_SECOND = 1000;

type Stream = { name: string; region: string };

interface Followed {
  rows: StreamRecord[];
  seen: number;
  skipped: number;
  isOpen: boolean;
  problem: string;
}
const NOTHING: Followed = { rows: [], seen: 0, skipped: 0, isOpen: false, problem: "" };

const idOf = (record: StreamRecord) => `${record.sequence_number}.${record.sub_sequence ?? 0}`;

/** The newest records of the stream, newest first; while paused they are counted only. */
function useTail(stream: Stream, from: string, shard: string, paused: { current: boolean }): Followed {
  const [state, setState] = useState(NOTHING);
  useEffect(() => {
    setState(NOTHING);
    let pending: StreamRecord[] = [];
    let [skipped, hasNews] = [0, false];
    const end = tail(stream, { from, rate: String(RECORDS_PER_SECOND), ...(shard && { shard }) }, {
      record: (record) => { pending.push(record); hasNews = true; },
      skipped: (n) => { skipped += n; hasNews = true; },
      state: (isOpen) => setState((old) => ({ ...old, isOpen })),
      failed: (problem) => setState((old) => ({ ...old, problem, isOpen: false })),
    });
    const timer = setInterval(() => {
      if (!hasNews) return;
      const [fresh, left] = [pending, skipped];
      [pending, skipped, hasNews] = [[], 0, false];
      setState((old) => ({
        ...old, seen: old.seen + fresh.length, skipped: old.skipped + left,
        rows: paused.current ? old.rows : [...fresh.reverse(), ...old.rows].slice(0, ROWS_MAX),
      }));
    }, 200);
    return () => {
      clearInterval(timer);
      end();
    };
  }, [stream.name, stream.region, from, shard]);
  return state;
}

function Row({ record, isPicked, onPick }: { record: StreamRecord; isPicked: boolean; onPick: () => void }) {
  return (
    <tr data-row tabIndex={0} class={isPicked ? "picked" : ""} aria-selected={isPicked} onClick={onPick} onKeyDown={(e) => e.key === "Enter" && onPick()}>
      <td class="num">{clock(record.arrival_ms)}</td>
      <td class="num">{Number(record.shard_id.slice(-12))}</td>
      <td>{record.partition_key.slice(0, 40)}</td>
      <td class="num right">{bytes(record.bytes)}</td>
      <td class="data">{(record.data ?? "(binary)").replace(/\s+/g, " ").slice(0, 220)}</td>
    </tr>
  );
}

function emptyText(state: Followed, from: string): string {
  if (state.rows.length > 0) return "No record matches the filter.";
  return from === "latest" ? "No records since you opened this. They appear the moment they are durable." : "No records in this stretch yet.";
}

export function Tail({ stream }: { stream: Stream }) {
  const { query } = place.value;
  const [from, shard, wanted] = [query.get("from") ?? "latest", query.get("shard") ?? "", query.get("record")];
  const [filter, setFilter] = useState(query.get("q") ?? "");
  const [isPaused, setPaused] = useState(false);
  const [picked, setPicked] = useState<StreamRecord | null>(null);
  const paused = useRef(false);
  paused.current = isPaused;
  const state = useTail(stream, from, shard, paused);
  const go = (change: Record<string, string | undefined>) => {
    const now = { from: from === "latest" ? undefined : from, shard, q: filter, record: wanted ?? undefined, ...change };
    history.replaceState(null, "", link(["streams", stream.region, stream.name], now));
  };
  const pick = (record: StreamRecord | null) => {
    setPicked(record);
    go({ record: record?.sequence_number, from: record ? String(record.arrival_ms) : undefined, shard: record?.shard_id });
  };
  // An address that names a record shows it as soon as it comes by.
  useEffect(() => {
    if (wanted && !picked) setPicked(state.rows.find((r) => r.sequence_number === wanted) ?? null);
  }, [state.rows, wanted]);
  useEffect(() => setPicked(null), [stream.name, stream.region, wanted]);

  const needle = filter.toLowerCase();
  const shown = needle === "" ? state.rows : state.rows.filter((r) => `${r.partition_key} ${r.shard_id} ${r.data ?? ""}`.toLowerCase().includes(needle));
  const known = latest.value?.streams.find((s) => s.name === stream.name && s.region === stream.region);
  return (
    <section class="card tail">
      <header>
        <h2>{stream.name}</h2>
        <small>{stream.region}{known && ` · ${known.open_shard_count} shard${known.open_shard_count === 1 ? "" : "s"}`}</small>
        <span class={state.isOpen ? "dot on" : "dot"} />
        <small>
          <Rate metric="leat_stream_records_in_total" labels={{ region: stream.region, stream: stream.name }} />
          {` · ${count(state.seen)} seen`}{state.skipped > 0 && ` · ${count(state.skipped)} left out`}{shard !== "" && ` · only ${shard}`}
        </small>
        <span class="space" />
        <a class="link" href={link(["streams", stream.region, stream.name], { from: from === "trim-horizon" ? undefined : "trim-horizon" })}>
          {from === "trim-horizon" ? "newest only" : "from the oldest"}
        </a>
        <input type="search" placeholder="Filter ( / )" aria-label="Filter records" value={filter}
               onInput={(e) => { setFilter(e.currentTarget.value); go({ q: e.currentTarget.value }); }} />
        <button data-pause aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>{isPaused ? "Resume" : "Pause"}</button>
      </header>
      {state.problem !== "" && <p class="problem" role="alert">{state.problem}</p>}
      <div class="split">
        <div class="scroll">
          <table>
            <thead><tr><th>Arrived, UTC</th><th>Shard</th><th>Key</th><th class="right">Size</th><th class="data">Data</th></tr></thead>
            <tbody>
              {shown.slice(0, ROWS_SHOWN).map((r) => <Row key={idOf(r)} record={r} isPicked={picked !== null && idOf(picked) === idOf(r)} onPick={() => pick(r)} />)}
            </tbody>
          </table>
          {shown.length === 0 && state.problem === "" && <p class="empty">{emptyText(state, from)}</p>}
        </div>
        {picked && <Inspector record={picked} stream={stream} onClose={() => pick(null)} />}
      </div>
    </section>
  );
}

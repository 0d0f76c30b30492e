// Records that could not be processed, with their reason; they can be sent again.
import { useState } from "preact/hooks";
import * as api from "./api";
import { dateTime } from "./format";
import { usePolled } from "./poll";

function Letter({ letter, onAgain }: { letter: api.DeadLetter; onAgain: (id: string) => void }) {
  const [isOpen, setOpen] = useState(false);
  const toggle = () => setOpen(!isOpen);
  return (
    <>
      <tr data-row tabIndex={0} aria-expanded={isOpen} onClick={toggle} onKeyDown={(e) => e.key === "Enter" && e.target === e.currentTarget && toggle()}>
        <td class="num">{dateTime(letter.at_ms)}</td>
        <td>{letter.region}</td>
        <td>{letter.table}</td>
        <td><code>{letter.field ?? ""}</code></td>
        <td class="data">{letter.reason}</td>
        <td title={letter.sequence_number}>{letter.stream} · {Number(letter.shard_id.slice(-12))}</td>
        <td class="right">
          {letter.redriven ? <small>sent again</small>
            : <button onClick={(e) => { e.stopPropagation(); onAgain(letter.id); }}>Send again</button>}
        </td>
      </tr>
      {isOpen && <tr><td colSpan={7}><pre>{letter.data ?? "(no data)"}</pre></td></tr>}
    </>
  );
}

export function DeadLetters() {
  const { value, error, reload } = usePolled(() => api.deadLetters(200), 2000);
  const [notice, setNotice] = useState("");
  const letters = value?.dead_letters ?? [];
  const waiting = letters.filter((l) => !l.redriven).map((l) => l.id);
  const again = (ids: string[]) =>
    api.redrive(ids).then(
      (r) => { setNotice(`${r.redriven} sent again, ${r.skipped} left out.`); reload(); },
      (e: Error) => setNotice(e.message),
    );
  return (
    <section class="card">
      <header>
        <h2>Dead letters</h2><small>all regions</small>
        <span class="space" />
        {waiting.length > 0 && <button onClick={() => again(waiting)}>Send all {waiting.length} again</button>}
      </header>
      {(error || notice) && <p class={error ? "problem" : "notice"} role="status">{error ?? notice}</p>}
      {value && letters.length === 0 && !error && <p class="empty">None. Records that cannot be processed come here with their reason, and can be sent again.</p>}
      {letters.length > 0 && (
        <div class="scroll">
          <table class="letters">
            <thead><tr><th>When, UTC</th><th>Region</th><th>Table</th><th>Field</th><th>Reason</th><th>Source · shard</th><th /></tr></thead>
            <tbody>{letters.map((l) => <Letter key={l.id} letter={l} onAgain={(id) => again([id])} />)}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}

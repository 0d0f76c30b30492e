// The other pages: streams, jobs, dead letters, inbox.
import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import { bytes, dateTime, duration, Rate, Value } from "./format";
import { latest } from "./store";

/** Asks again while the page is open; the error, if any, is shown instead of stale rows. */
function usePolled<T>(load: () => Promise<T>, everyMs: number): { value?: T; error?: string; reload: () => void } {
  const [value, setValue] = useState<T>();
  const [error, setError] = useState<string>();
  const run = () => load().then((v) => { setValue(v); setError(undefined); }, (e: Error) => setError(e.message));
  useEffect(() => {
    void run();
    const timer = setInterval(run, everyMs);
    return () => clearInterval(timer);
  }, []);
  return { value, error, reload: run };
}

export function Streams() {
  const streams = latest.value?.streams ?? [];
  return (
    <section class="card">
      <header><h2>Streams</h2><small>all regions</small></header>
      {streams.length === 0 && <p class="empty">No stream yet: <code>leat stream create NAME</code>.</p>}
      {streams.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr><th>Name</th><th>Region</th><th>Mode</th><th class="right">Shards</th><th class="right">Records in</th><th class="right">Rate</th><th class="right">Bytes in</th><th class="right">Records out</th><th class="right">Retention</th></tr>
            </thead>
            <tbody>
              {streams.map((s) => {
                const labels = { region: s.region, stream: s.name };
                return (
                  <tr key={`${s.account}/${s.region}/${s.name}`}>
                    <td><a href={`#/streams/${s.region}/${s.name}`}>{s.name}</a></td>
                    <td>{s.region}</td>
                    <td>{s.mode === "ON_DEMAND" ? "on-demand" : "provisioned"}{s.status !== "ACTIVE" && ` · ${s.status.toLowerCase()}`}</td>
                    <td class="num right">{s.open_shard_count}</td>
                    <td class="right"><Value metric="leat_stream_records_in_total" labels={labels} /></td>
                    <td class="right"><Rate metric="leat_stream_records_in_total" labels={labels} /></td>
                    <td class="right"><Value metric="leat_stream_bytes_in_total" labels={labels} as={bytes} /></td>
                    <td class="right"><Value metric="leat_stream_records_out_total" labels={labels} /></td>
                    <td class="num right">{s.retention_hours} h</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function JobCard({ job, isOpen }: { job: api.Job; isOpen: boolean }) {
  const labels = { job: job.id };
  const [problem, setProblem] = useState("");
  const stop = () => api.stopJob(job.id).catch((e: Error) => setProblem(e.message));
  return (
    <section class={`card job ${job.state.toLowerCase()}`}>
      <header>
        <h2><a href={`#/jobs/${job.id}`}>{job.name}</a></h2>
        <span class={`state ${job.state.toLowerCase()}`}>{job.state.toLowerCase()}</span>
        <small><code>{job.id}</code></small>
        <span class="space" />
        {(job.state === "RUNNING" || job.state === "RESTARTING") && <button onClick={stop}>Stop</button>}
      </header>
      {(job.reason || problem) && <p class="problem" role="alert">{problem || job.reason}</p>}
      <ul class="figures">
        <li><b><Value metric="leat_job_rows_in_total" labels={labels} /></b>rows in</li>
        <li><b><Value metric="leat_job_rows_out_total" labels={labels} /></b>rows out</li>
        <li><b><Rate metric="leat_job_rows_in_total" labels={labels} /></b>now</li>
        <li><b><Value metric="leat_job_rows_late_total" labels={labels} /></b>late</li>
        <li><b><Value metric="leat_job_dead_letters_total" labels={labels} /></b>dead letters</li>
        <li><b><Value metric="leat_job_lag_seconds" labels={labels} as={duration} /></b>behind</li>
        <li><b><Value metric="leat_job_watermark_seconds" labels={labels} as={(s) => dateTime(s * 1000)} /></b>watermark</li>
      </ul>
      {isOpen && <pre class="sql">{job.sql}</pre>}
    </section>
  );
}

export function Jobs({ open }: { open?: string }) {
  const jobs = latest.value?.jobs ?? [];
  if (jobs.length === 0) {
    return <section class="card"><header><h2>Jobs</h2></header><p class="empty">No job yet: <code>leat run FILE.sql</code> starts one.</p></section>;
  }
  return <>{jobs.map((job) => <JobCard key={job.id} job={job} isOpen={job.id === open || jobs.length === 1} />)}</>;
}

export function DeadLetters() {
  const { value, error, reload } = usePolled(() => api.deadLetters(200), 2000);
  const [notice, setNotice] = useState("");
  const letters = value?.dead_letters ?? [];
  const again = (ids: string[]) =>
    api.redrive(ids).then(
      (r) => { setNotice(`${r.redriven} sent again, ${r.skipped} left out.`); reload(); },
      (e: Error) => setNotice(e.message),
    );
  return (
    <section class="card">
      <header>
        <h2>Dead letters</h2>
        <span class="space" />
        {letters.some((l) => !l.redriven) && <button onClick={() => again(letters.filter((l) => !l.redriven).map((l) => l.id))}>Send all again</button>}
      </header>
      {(error || notice) && <p class={error ? "problem" : "notice"} role="status">{error ?? notice}</p>}
      {letters.length === 0 && !error && <p class="empty">None. Records that cannot be processed come here with their reason, and can be sent again.</p>}
      {letters.length > 0 && (
        <div class="scroll">
          <table>
            <thead><tr><th>When</th><th>Table</th><th>Field</th><th>Reason</th><th>Source</th><th /></tr></thead>
            <tbody>
              {letters.map((l) => (
                <tr key={l.id}>
                  <td class="num">{dateTime(l.at_ms)}</td><td>{l.table}</td><td>{l.field ?? ""}</td><td class="data">{l.reason}</td>
                  <td title={l.sequence_number}>{l.stream} · {l.shard_id.replace(/^shardId-0*/, "") || "0"}</td>
                  <td class="right">{l.redriven ? <small>sent again</small> : <button onClick={() => again([l.id])}>Send again</button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export function Inbox({ open }: { open?: string }) {
  const { value, error } = usePolled(() => api.inbox(100), 1500);
  const mails = value?.messages ?? [];
  const shown = mails.find((m) => m.id === open) ?? mails[0];
  return (
    <section class="card inbox">
      <header><h2>Inbox</h2><small>every mail that SNS sends, whether or not an SMTP server is set</small></header>
      {error && <p class="problem" role="alert">{error}</p>}
      {mails.length === 0 && !error && <p class="empty">No mail yet. A topic with an <code>email</code> or <code>email-json</code> subscription fills this.</p>}
      {shown && (
        <div class="split mails">
          <ul class="scroll">
            {mails.map((m) => (
              <li key={m.id} class={m.id === shown.id ? "picked" : ""}>
                <a href={`#/inbox/${m.id}`}>
                  <strong>{m.subject}</strong>
                  <small>{m.to} · {m.region} · {dateTime(m.at_ms)}</small>
                </a>
              </li>
            ))}
          </ul>
          <article class="mail">
            <h3>{shown.subject}</h3>
            <dl>
              <dt>From</dt><dd>{shown.from}</dd>
              <dt>To</dt><dd>{shown.to}</dd>
              <dt>Topic</dt><dd><code class="wrap">{shown.topic_arn}</code></dd>
              <dt>Delivery</dt><dd>{shown.delivered ? "sent over SMTP" : shown.error ? `${shown.error} (${shown.attempts} attempts)` : "kept here"}</dd>
            </dl>
            <pre>{shown.body}</pre>
          </article>
        </div>
      )}
    </section>
  );
}

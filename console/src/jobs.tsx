// Jobs: state, flow, watermark, times, SQL.
import { useState } from "preact/hooks";
import * as api from "./api";
import { dateTime, duration, Quantile, Rate, Value } from "./format";
import { latest, link } from "./store";

const isLive = (job: api.Job) => job.state === "RUNNING" || job.state === "RESTARTING";

function Ends({ job }: { job: api.Job }) {
  return (
    <p class="ends">
      {job.sources.map((s) => s.stream && (s.kind ?? "kinesis") === "kinesis"
        ? <a key={s.table} class="link" href={link(["streams", s.region ?? "", s.stream])}>{s.stream}</a>
        : <span key={s.table}>{s.stream || s.table}</span>)}
      <span aria-hidden="true">→</span>
      {job.sinks.map((s) => s.kind === "kinesis"
        ? <a key={s.table} class="link" href={link(["streams", s.region ?? "", s.target])}>{s.target}</a>
        : <span key={s.table}>{s.target || s.table} <small>{s.kind}</small></span>)}
    </p>
  );
}

/** What the sinks outside the log have taken, and what they wait for. */
function Sinks({ job }: { job: api.Job }) {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr><th>Sink</th><th>Connector</th><th class="right">Due</th><th class="right">Delivered</th><th class="right">Now</th><th class="right">Waiting</th><th class="right">Rejected</th><th class="right">Retries</th><th>State</th></tr>
        </thead>
        <tbody>
          {job.sinks.filter((s) => s.rows !== undefined).map((s) => {
            const labels = { job: job.id, table: s.table };
            return (
              <tr key={s.table}>
                <td>{s.target || s.table}</td><td>{s.kind}</td>
                <td class="right"><Value metric="leat_sink_rows_total" labels={labels} /></td>
                <td class="right"><Value metric="leat_sink_delivered_rows_total" labels={labels} /></td>
                <td class="right"><Rate metric="leat_sink_delivered_rows_total" labels={labels} /></td>
                <td class="right"><Value metric="leat_sink_oldest_undelivered_seconds" labels={labels} as={duration} /></td>
                <td class="right"><Value metric="leat_sink_rejected_rows_total" labels={labels} /></td>
                <td class="right"><Value metric="leat_sink_retries_total" labels={labels} /></td>
                <td class="wrap">{s.problem ? <span class="bad">{s.problem}</span> : s.left_out ? `${s.left_out} left out, first ${s.left_out_first}` : "delivers"}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function JobCard({ job, isOpen }: { job: api.Job; isOpen: boolean }) {
  const labels = { job: job.id };
  const [problem, setProblem] = useState("");
  const stop = () => api.stopJob(job.id).catch((e: Error) => setProblem(e.message));
  return (
    <section class={`card job ${job.state.toLowerCase()}`}>
      <header>
        <h2><a data-row href={isOpen ? "#/jobs" : link(["jobs", job.id])}>{job.name}</a></h2>
        <span class={`state ${job.state.toLowerCase()}`}>{job.state.toLowerCase()}</span>
        <small><code>{job.id}</code></small>
        <span class="space" />
        {isLive(job) && <button onClick={stop}>Stop</button>}
      </header>
      {(job.reason || problem) && <p class="problem" role="alert">{problem || job.reason}</p>}
      <Ends job={job} />
      <ul class="figures">
        <li><b><Rate metric="leat_job_rows_in_total" labels={labels} /></b>in, now</li>
        <li><b><Value metric="leat_job_rows_in_total" labels={labels} /></b>rows in</li>
        <li><b><Value metric="leat_job_rows_out_total" labels={labels} /></b>rows out</li>
        <li><b><Value metric="leat_job_rows_filtered_total" labels={labels} /></b>filtered</li>
        <li><b><Value metric="leat_job_late_rows_total" labels={labels} /></b>late</li>
        <li><b><Value metric="leat_job_dead_letters_total" labels={labels} /></b><a href="#/deadletters">dead letters</a></li>
        <li><b><Value metric="leat_job_lag_seconds" labels={labels} as={duration} /></b>behind</li>
        <li><b><Quantile metric="leat_job_end_to_end_seconds" labels={labels} which="p99" /></b>arrival to output, p99</li>
        <li><b><Quantile metric="leat_job_step_seconds" labels={labels} which="p50" /></b>step, median</li>
        <li><b><Value metric="leat_job_watermark_seconds" labels={labels} as={(s) => dateTime(s * 1000)} /></b>watermark, UTC</li>
      </ul>
      {job.sinks.some((s) => s.rows !== undefined) && <Sinks job={job} />}
      {isOpen && <pre class="sql" tabIndex={0}>{job.sql}</pre>}
    </section>
  );
}

export function Jobs({ open }: { open?: string }) {
  const all = latest.value?.jobs ?? [];
  const jobs = [...all].sort((a, b) => Number(isLive(b)) - Number(isLive(a)));
  if (jobs.length === 0) {
    return (
      <section class="card">
        <header><h2>Jobs</h2></header>
        <p class="empty">No job yet. <code>leat run FILE.sql</code> starts each <code>INSERT INTO</code> of a file as a job.</p>
      </section>
    );
  }
  return <>{jobs.map((job) => <JobCard key={job.id} job={job} isOpen={job.id === open || jobs.length === 1} />)}</>;
}

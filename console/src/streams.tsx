// All streams of all regions.
import { bytes, Rate, Value } from "./format";
import { latest, link } from "./store";
import type { Stream } from "./api";

function Row({ s }: { s: Stream }) {
  const labels = { region: s.region, stream: s.name };
  return (
    <tr>
      <td><a class="link" data-row href={link(["streams", s.region, s.name])}>{s.name}</a></td>
      <td>{s.region}</td>
      <td>{s.mode === "ON_DEMAND" ? "on-demand" : "provisioned"}{s.status !== "ACTIVE" && ` · ${s.status.toLowerCase()}`}</td>
      <td class="num right">{s.open_shard_count}</td>
      <td class="right"><Rate metric="leat_stream_records_in_total" labels={labels} /></td>
      <td class="right"><Value metric="leat_stream_records_in_total" labels={labels} /></td>
      <td class="right"><Value metric="leat_stream_bytes_in_total" labels={labels} as={bytes} /></td>
      <td class="right"><Value metric="leat_stream_records_out_total" labels={labels} /></td>
      <td class="num right">{s.retention_hours} h</td>
    </tr>
  );
}

export function Streams() {
  const streams = latest.value?.streams ?? [];
  return (
    <section class="card">
      <header><h2>Streams</h2><small>all regions</small></header>
      {streams.length === 0 && <p class="empty">No stream yet. <code>leat stream create NAME</code> makes one, and so does CreateStream of any AWS SDK.</p>}
      {streams.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>Name</th><th>Region</th><th>Mode</th><th class="right">Shards</th><th class="right">Now</th><th class="right">Records in</th>
                <th class="right">Bytes in</th><th class="right">Records out</th><th class="right">Retention</th>
              </tr>
            </thead>
            <tbody>{streams.map((s) => <Row key={`${s.account}/${s.region}/${s.name}`} s={s} />)}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}

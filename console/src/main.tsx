import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { tail } from "./api";
import { SeverityChart, SeverityCounts } from "./chart";
import { bytes, Rate, Value } from "./format";
import { Graph } from "./graph";
import { accidentOf, UsMap } from "./map";
import type { Accident } from "./map";
import { DeadLetters, Inbox, Jobs, Streams } from "./pages";
import { isConnected, latest, route, start, theme } from "./store";
import "./style.css";
import { Tail } from "./tail";

const pages = [
  ["/", "Pipeline"],
  ["/streams", "Streams"],
  ["/jobs", "Jobs"],
  ["/deadletters", "Dead letters"],
  ["/inbox", "Inbox"],
] as const;

/** The stream whose records carry accidents: the founding one, else the busiest. */
function accidentStream(): { name: string; region: string } | undefined {
  const streams = latest.value?.streams ?? [];
  return streams.find((s) => s.name === "us-accidents-data-stream-1") ?? streams[0];
}

function Live() {
  const accidents = useRef<Accident[]>([]);
  const counts = useRef(new SeverityCounts());
  const stream = accidentStream();
  const key = stream ? `${stream.region}/${stream.name}` : "";
  useEffect(() => {
    if (!stream) return;
    return tail(stream, "latest", (record) => {
      const accident = accidentOf(record, performance.now());
      if (!accident) return;
      accidents.current.push(accident);
      counts.current.add(accident.severity, record.arrival_ms);
    }, () => {});
  }, [key]);
  return (
    <div class="live">
      <section class="card">
        <header>
          <h2>Accidents as they arrive</h2>
          <span class="space" />
          <span class="legend">{[1, 2, 3, 4].map((level) => <span key={level}><i class={`severity-${level}`} />{level}</span>)}</span>
        </header>
        <UsMap accidents={accidents} />
      </section>
      <section class="card">
        <header><h2>Severity over time</h2><small>records per second</small></header>
        <SeverityChart counts={counts.current} />
        <ul class="figures">
          <li><b><Value metric="leat_log_records_total" labels={{}} /></b>records, all durable</li>
          <li><b><Rate metric="leat_log_records_total" labels={{}} /></b>now</li>
          <li><b><Value metric="leat_log_disk_bytes" labels={{}} as={bytes} /></b>log on disk</li>
          <li><b><Value metric="leat_sns_mails_total" labels={{}} /></b>mails</li>
          <li><b><Value metric="process_resident_memory_bytes" labels={{}} as={bytes} /></b>memory</li>
        </ul>
      </section>
    </div>
  );
}

function Page() {
  const [, page = "", ...rest] = route.value.split("/");
  if (page === "streams" && rest.length >= 2) return <Tail stream={{ region: rest[0]!, name: rest.slice(1).join("/") }} />;
  if (page === "streams") return <Streams />;
  if (page === "jobs") return <Jobs open={rest[0]} />;
  if (page === "deadletters") return <DeadLetters />;
  if (page === "inbox") return <Inbox open={rest[0]} />;
  return <><section class="card"><header><h2>Pipeline</h2></header><Graph /></section><Live /></>;
}

function nextTheme() {
  const order = ["auto", "light", "dark"] as const;
  theme.value = order[(order.indexOf(theme.value) + 1) % order.length]!;
  localStorage.setItem("theme", theme.value);
}

function App() {
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme.value;
  }, [theme.value]);
  const current = route.value;
  return (
    <div class="shell" data-snapshot={latest.value?.id}>
      <nav aria-label="Pages">
        <a class="brand" href="#/"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 8c4-4 6 4 9 0s6 4 9 0M3 15c4-4 6 4 9 0s6 4 9 0" /></svg>leat</a>
        {pages.map(([path, title]) => (
          <a key={path} href={`#${path}`} aria-current={(path === "/" ? current === "/" : current.startsWith(path)) ? "page" : undefined}>{title}</a>
        ))}
        <span class="space" />
        <span class={isConnected.value ? "dot on" : "dot"} title={isConnected.value ? "live" : "not connected"} />
        <button class="plain" onClick={nextTheme} title="Colours: auto, light, dark">{theme.value}</button>
      </nav>
      {!isConnected.value && latest.value && <p class="problem" role="alert">The server does not answer; what you see is from {new Date(latest.value.at_ms).toLocaleTimeString()}.</p>}
      <main><Page /></main>
    </div>
  );
}

start();
render(<App />, document.getElementById("app")!);

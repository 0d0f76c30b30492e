import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Graph } from "./graph";
import { Figures, Live } from "./live";
import { DeadLetters } from "./deadletters";
import { Inbox } from "./inbox";
import { Jobs } from "./jobs";
import { Metrics } from "./metrics";
import { Streams } from "./streams";
import { isConnected, latest, place, snapshots, start, theme } from "./store";
import "./style.css";
import { Tail } from "./tail";

const pages = [
  ["", "Pipeline"],
  ["streams", "Streams"],
  ["jobs", "Jobs"],
  ["metrics", "Metrics"],
  ["inbox", "Inbox"],
  ["deadletters", "Dead letters"],
] as const;

function Page() {
  const [page = "", ...rest] = place.value.path;
  switch (page) {
    case "":
      return <><section class="card"><Figures /><Graph /></section><Live /></>;
    case "streams":
      return rest.length >= 2 ? <Tail stream={{ region: rest[0]!, name: rest[1]! }} /> : <Streams />;
    case "jobs":
      return <Jobs open={rest[0]} />;
    case "metrics":
      return <Metrics />;
    case "inbox":
      return <Inbox open={rest[0]} />;
    case "deadletters":
      return <DeadLetters />;
    default:
      return <section class="card"><p class="empty">There is no page “{page}”. <a href="#/" class="link">To the pipeline</a></p></section>;
  }
}

function nextTheme() {
  const order = ["auto", "light", "dark"] as const;
  theme.value = order[(order.indexOf(theme.value) + 1) % order.length]!;
  localStorage.setItem("theme", theme.value);
}

const keys: [string, string][] = [
  ["1 – 6", "pages, in their order"],
  ["/", "filter"],
  ["j k ↓ ↑", "next and previous row"],
  ["Enter", "open the row"],
  ["Esc", "close"],
  ["p", "pause and resume the tail"],
  ["t", "colours: auto, light, dark"],
  ["?", "this list"],
];

/** Rows and their links can be walked through with j, k and the arrows. */
function moveFocus(step: number) {
  const rows = [...document.querySelectorAll<HTMLElement>("main [data-row]")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  rows[Math.min(Math.max(at + step, 0), rows.length - 1)]?.focus();
}

function onKey(event: KeyboardEvent, help: HTMLDialogElement | null) {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || help?.open) return;
  if (target.matches("input, textarea, select")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  const page = pages[Number(event.key) - 1];
  if (page) location.hash = `#/${page[0]}`;
  else if (event.key === "t") nextTheme();
  else if (event.key === "?") help?.showModal();
  else if (event.key === "/") document.querySelector<HTMLInputElement>("main input[type=search]")?.focus();
  else if (event.key === "p") document.querySelector<HTMLButtonElement>("main [data-pause]")?.click();
  else if (event.key === "Escape") document.querySelector<HTMLButtonElement>("main [data-close]")?.click();
  else if (event.key === "j" || (event.key === "ArrowDown" && "row" in target.dataset)) moveFocus(1);
  else if (event.key === "k" || (event.key === "ArrowUp" && "row" in target.dataset)) moveFocus(-1);
  else return;
  event.preventDefault();
}

function Help({ dialog }: { dialog: { current: HTMLDialogElement | null } }) {
  return (
    <dialog ref={dialog} aria-label="Keys" onClick={() => dialog.current?.close()}>
      <h2>Keys</h2>
      <dl>{keys.map(([key, what]) => [<dt key={key}><kbd>{key}</kbd></dt>, <dd key={`${key}-what`}>{what}</dd>])}</dl>
    </dialog>
  );
}

function App() {
  const help = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme.value;
  }, [theme.value]);
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey(event, help.current);
    addEventListener("keydown", listener);
    return () => removeEventListener("keydown", listener);
  }, []);
  const current = place.value.path[0] ?? "";
  return (
    <div class="shell" data-snapshot={latest.value?.id} data-earlier={snapshots.value[0]?.id}>
      <nav aria-label="Pages">
        <a class="brand" href="#/"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 8c4-4 6 4 9 0s6 4 9 0M3 15c4-4 6 4 9 0s6 4 9 0" /></svg>leat</a>
        {pages.map(([path, title]) => (
          <a key={path} href={`#/${path}`} aria-current={path === current ? "page" : undefined}>{title}</a>
        ))}
        <span class="space" />
        <span class={isConnected.value ? "dot on" : "dot"} role="status" aria-label={isConnected.value ? "live" : "not connected"} title={isConnected.value ? "live" : "not connected"} />
        <button class="plain" onClick={nextTheme} title="Colours: auto, light, dark (t)">{theme.value}</button>
        <button class="plain" onClick={() => help.current?.showModal()} aria-label="Keys" title="Keys (?)">?</button>
      </nav>
      {!isConnected.value && latest.value && <p class="problem" role="alert">The server does not answer; what you see is from {new Date(latest.value.at_ms).toLocaleTimeString()}.</p>}
      <main><Page /></main>
      <Help dialog={help} />
    </div>
  );
}

start();
render(<App />, document.getElementById("app")!);

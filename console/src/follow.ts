// Server-sent events that end while nobody looks: a browser has six connections for all pages of a server.
const RETRY_MS = 1000;

interface Follower {
  /** Asked again for each connection. */
  url: () => string;
  events: Record<string, (data: string) => void>;
  state?: (isOpen: boolean) => void;
  /** The server has refused, or ended the stream with an error. */
  failed?: (message: string) => void;
}

/** Follows until the function that it returns is called. */
export function follow(f: Follower): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  };
  const fail = (message: string) => {
    isOver = true;
    close();
    f.failed?.(message);
  };
  const open = () => {
    close();
    if (isOver || document.hidden) return;
    source = new EventSource(f.url());
    for (const [name, take] of Object.entries(f.events)) source.addEventListener(name, (e) => take((e as MessageEvent<string>).data));
    source.addEventListener("open", () => f.state?.(true));
    source.addEventListener("error", (e) => {
      f.state?.(false);
      // An error of the server comes with data. Without, the connection was lost, or the answer was no event stream.
      const data = (e as MessageEvent<string | undefined>).data;
      if (data) fail((JSON.parse(data) as { error?: { message?: string } }).error?.message ?? data);
      else if (source?.readyState === EventSource.CLOSED && f.failed) fail("the server refuses");
      else {
        close();
        timer = setTimeout(open, RETRY_MS);
      }
    });
  };
  const look = () => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", look);
  open();
  return () => {
    isOver = true;
    document.removeEventListener("visibilitychange", look);
    close();
  };
}

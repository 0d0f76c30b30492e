// What no event stream brings is asked for again while the page is open.
import { useEffect, useState } from "preact/hooks";

export interface Polled<T> {
  value?: T;
  /** Shown instead of stale rows. */
  error?: string;
  reload: () => void;
}

export function usePolled<T>(load: () => Promise<T>, everyMs: number): Polled<T> {
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

/** Sends in order; while one waits for its delay, those behind it wait too. */
export interface Outbox {
  send(json: string, delayMs: number): void;
  /** Forgets what still waits. */
  close(): void;
}

export function makeOutbox(now: () => number, write: (json: string) => void): Outbox {
  const queue: { readonly json: string; readonly at: number }[] = [];
  let timer: NodeJS.Timeout | null = null;
  const flush = () => {
    timer = null;
    for (let first = queue[0]; first !== undefined && first.at <= now(); first = queue[0]) {
      queue.shift();
      write(first.json);
    }
    const [next] = queue;
    if (next !== undefined) timer = setTimeout(flush, next.at - now());
  };
  return {
    send: (json, delayMs) => {
      queue.push({ json, at: now() + delayMs });
      if (timer === null) flush();
    },
    close: () => {
      if (timer !== null) clearTimeout(timer);
      queue.length = 0;
    },
  };
}

import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Metrics } from "../metrics.ts";

const resolutionMs = 10;

/** What the process itself weighs and how punctual its event loop is, written into the metrics when they are read. */
export interface ProcessGauges {
  open(): void;
  /** Sets the gauges; the event loop's delay is that since the last call. */
  refresh(): void;
  /** Bytes by kind. */
  memory(): Readonly<Record<string, number>>;
  close(): void;
}

/** Watches this process. */
export function makeProcessGauges(metrics: Metrics): ProcessGauges {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  const memory = () => {
    const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
    return { rss, heap_used: heapUsed, heap_total: heapTotal, external, array_buffers: arrayBuffers };
  };
  return {
    open: () => void delay.enable(),
    refresh: () => {
      // The histogram counts from one wake-up to the next: a punctual loop reads as the resolution. Empty, it reads NaN.
      const lagMs = delay.count === 0 ? 0 : Math.max(0, delay.percentile(99) / 1e6 - resolutionMs);
      metrics.eventLoopLagSeconds.set(lagMs / 1_000);
      delay.reset();
      for (const [kind, bytes] of Object.entries(memory())) metrics.memoryBytes.set({ kind }, bytes);
    },
    memory,
    close: () => void delay.disable(),
  };
}

/**
 * The same metrics as OpenMetrics text. Not by prom-client's own content type: reading it once renames every counter for
 * good, and the next plain scrape loses its `_total`s.
 */
export function asOpenMetrics(prometheusText: string): string {
  const lines = prometheusText.split("\n").filter((line) => line !== "");
  const counters = new Set(lines.flatMap((line) => /^# TYPE (\S+)_total counter$/.exec(line)?.[1] ?? []));
  const families = lines.map((line) =>
    line.replace(/^# (HELP|TYPE) (\S+)_total /, (whole, word: string, name: string) =>
      counters.has(name) ? `# ${word} ${name} ` : whole,
    ),
  );
  return `${families.join("\n")}\n# EOF\n`;
}

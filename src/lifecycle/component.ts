/** What one part reports about itself; `details` is shown to operators and holds nothing secret. */
export interface Check {
  readonly status: "healthy" | "degraded" | "unhealthy";
  readonly details?: Readonly<Record<string, string | number | boolean | null>>;
}

/**
 * A part of the running process. Constructing does nothing; `start` does. A role is a list of components, started in
 * order and stopped in reverse; the same list is the health report.
 */
export interface Component {
  /** Unique in its role; the name under which `/health` shows it. */
  readonly name: string;
  /**
   * Resolves when the part can do its work. Rejects when it cannot: with a ForeseenError that says `retry` it is called again, where the process
   * waits; with any other the process stops.
   * `fatal` reports a failure after the start that the part cannot recover from.
   */
  start(signal: AbortSignal, fatal: (error: Error) => void): Promise<void>;
  /** While it starts: what it waits for, for operators; null when it does not know. */
  obstacle?(): string | null;
  /** Finishes what is in flight until `deadline` aborts, then gives up. Never rejects; safe when never started. */
  stop(deadline: AbortSignal): Promise<void>;
  /** How the part is now. A throw or an overrun of 500 ms counts as unhealthy. Absent: healthy once started. */
  check?(signal: AbortSignal): Promise<Check>;
}

import { statSync, type BigIntStats } from "node:fs";
import { dirname } from "node:path";
import { Misconfigured, type Fault } from "../errors.ts";
import type { Logger } from "../log.ts";
import { loadAgents, manifestFiles } from "./agents-file.ts";
import { changeOf, snapshotOf } from "./agents-rules.ts";
import type { Settings, Snapshot } from "./settings.ts";

const pollMs = 1_000;
/** Two edits within one tick of the file system's clock, at most 10 ms on Linux, leave the same time behind. */
const settlingMs = 100;

interface State {
  readonly snapshot: Snapshot;
  readonly faults: readonly Fault[];
  readonly files: readonly string[];
  /** What the files looked like when they were read, and whether a later edit could still look the same. */
  readonly signature: string;
  readonly settled: boolean;
}

/**
 * Settings from a manifest file or a folder of them. Every `current()` looks at the files first, so that the message
 * after an edit is answered by the new version; a timer looks too, so that the log tells of an edit without a message.
 */
export function watchAgentsFile(path: string, log: Logger): Settings {
  let state: State | null = null;
  // The faults that were logged last, as JSON.
  let timer: NodeJS.Timeout | undefined;
  let reported = "[]";

  // Not fs.watch: it loses track of files that editors replace, tells nothing on network mounts, and tells late.
  const look = (): State => {
    if (state === null) throw new Error("settings are read before they were started");
    if (state.settled && traceOf(path, state.files).signature === state.signature) return state;
    const before = state.snapshot;
    const next = load(path, before);
    state = next;
    if (next.snapshot.revision !== before.revision) log.info(changeOf(before, next.snapshot), "the agents changed");
    if (next.settled) reportFaults(next);
    return next;
  };
  // Only once the file has settled: an editor that writes in two steps is not worth an error.
  const reportFaults = ({ faults, snapshot }: State) => {
    const now = JSON.stringify(faults);
    if (now === reported) return;
    if (faults.length === 0) log.info({ revision: snapshot.revision }, "the agents are good again");
    else
      log.error(
        { faults, revision: snapshot.revision },
        `an edit of ${path} is refused; revision ${snapshot.revision} stays`,
      );
    reported = now;
  };

  return {
    name: "settings",
    start: async () => {
      state = load(path, null);
      log.info(
        { revision: state.snapshot.revision, agents: state.snapshot.agents.map(({ name }) => name) },
        `agents read from ${path}`,
      );
      timer = setInterval(look, pollMs).unref();
    },
    stop: async () => clearInterval(timer),
    check: async () => {
      const { snapshot, faults } = look();
      const details = { revision: snapshot.revision, agents: snapshot.agents.length, refused: faults.length };
      return { status: faults.length > 0 ? "degraded" : "healthy", details };
    },
    current: () => look().snapshot,
    revision: () => (state === null ? null : look().snapshot.revision),
    refused: () => (state === null ? [] : look().faults),
  };
}

function load(path: string, last: Snapshot | null): State {
  const startedMs = Date.now();
  const { agents, faults, files } = loadAgents([path]);
  // Looked at after reading: an edit in between is younger than `startedMs`, so it leaves this state unsettled.
  const { signature, newestMs } = traceOf(path, files);
  const settled = newestMs < startedMs - settlingMs;
  if (faults.length > 0) {
    if (last === null) throw new Misconfigured(faults);
    return { snapshot: last, faults, files, signature, settled };
  }
  const next = snapshotOf(agents);
  return { snapshot: last?.revision === next.revision ? last : next, faults, files, signature, settled };
}

/** What tells one version of the files from another without reading them. */
function traceOf(path: string, read: readonly string[]): { signature: string; newestMs: number } {
  const files = new Set([...manifestFiles(path), ...read]);
  // A file that comes or goes changes its folder.
  const places = [...files, ...new Set([...files].map((file) => dirname(file)))];
  const traces = places.map((place) => ({ place, stat: statOf(place) }));
  return {
    signature: traces
      .map(({ place, stat }) => `${place} ${stat?.ino} ${stat?.size} ${stat?.mtimeNs} ${stat?.ctimeNs}`)
      .join("\n"),
    newestMs: Math.max(...traces.map(({ stat }) => Number(stat?.ctimeMs ?? 0))),
  };
}

function statOf(path: string): BigIntStats | null {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return null;
  }
}

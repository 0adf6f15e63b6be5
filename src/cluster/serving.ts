import type { Notices } from "../connections/notices.ts";
import type { Sql } from "../connections/postgres.ts";
import { asError } from "../errors.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";

/** One process of the fleet, and the revision of each agent that it serves, by the agent's name. */
export interface ServingPod {
  readonly pod: string;
  readonly revisions: Readonly<Record<string, string>>;
}

/** What the processes of a fleet tell each other about the agents that they serve. */
export interface Serving extends Component {
  /** All that were seen within the last half minute, this one included, by name; empty before the start. */
  pods(): readonly ServingPod[];
  /** Tells the others what this one serves now, where that is something else; they hear of it at once. Never rejects. */
  tell(): Promise<void>;
  /** Calls back when `pods` may have changed. */
  onChange(listener: () => void): void;
}

const everyMs = 10_000;
/** Three that were missed, and one is gone. */
const goneAfterSeconds = 30;

/** Builds it; `pod` names this process and no other. */
export function makeServing(options: {
  readonly sql: Sql;
  readonly notices: Pick<Notices, "send" | "on">;
  readonly pod: string;
  readonly revisions: () => Readonly<Record<string, string>>;
  readonly log: Logger;
}): Serving {
  const { sql, notices, pod, log } = options;
  const listeners: (() => void)[] = [];
  let pods: readonly ServingPod[] = [];
  let told = "";
  let timer: NodeJS.Timeout | undefined;
  let isRunning = false;

  const read = async () => {
    pods = await readPods(sql);
    for (const heard of listeners) heard();
  };
  const beat = async () => {
    const mine = JSON.stringify(options.revisions());
    try {
      await writePod(sql, pod, mine);
      if (mine !== told) await notices.send(sql, "serving");
      told = mine;
      await read();
    } catch (error) {
      log.debug({ component: "serving", err: asError(error) }, "what is served could not be told; trying again");
    }
  };
  const readQuietly = () =>
    void read().catch((error: unknown) =>
      log.debug({ component: "serving", err: asError(error) }, "what others serve could not be read; trying again"),
    );
  notices.on("serving", () => {
    if (isRunning) readQuietly();
  });
  return {
    name: "serving",
    pods: () => pods,
    tell: async () => {
      if (isRunning && JSON.stringify(options.revisions()) !== told) await beat();
    },
    onChange: (listener) => listeners.push(listener),
    start: async () => {
      isRunning = true;
      timer = setInterval(() => void beat(), everyMs).unref();
      await beat();
    },
    stop: async () => {
      clearInterval(timer);
      if (!isRunning) return;
      isRunning = false;
      await sql
        .query("delete from serving where pod = $1 or seen_at < now() - interval '1 hour'", [pod])
        .then(() => notices.send(sql, "serving"))
        // The others will miss it within half a minute.
        .catch(() => {});
    },
  };
}

async function readPods(sql: Sql): Promise<ServingPod[]> {
  return await sql.query<ServingPod & Record<string, unknown>>(
    "select pod, revisions from serving where seen_at > now() - make_interval(secs => $1) order by pod",
    [goneAfterSeconds],
  );
}

async function writePod(sql: Sql, pod: string, revisions: string): Promise<void> {
  await sql.query(
    `insert into serving (pod, revisions) values ($1, $2)
     on conflict (pod) do update set revisions = excluded.revisions, seen_at = now()`,
    [pod, revisions],
  );
}

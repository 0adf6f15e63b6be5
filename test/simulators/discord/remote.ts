import type { Faults } from "./faults.ts";
import type { Report } from "./report.ts";
import type { Saying, World } from "./world/world.ts";

/** The same functions over HTTP; what they return are snapshots, with objects where there were maps. */
type Remote<T> = {
  readonly [Name in keyof T as T[Name] extends (...args: never) => unknown ? Name : never]: T[Name] extends (
    ...args: infer Args
  ) => infer Result
    ? (...args: Args) => Promise<Result>
    : never;
};

export interface RemoteDiscordSimulator {
  readonly url: string;
  readonly world: Remote<World>;
  readonly faults: Remote<Faults>;
  readonly report: () => Promise<Report>;
  /** Many messages in one request. */
  readonly sayAll: (sayings: readonly Saying[]) => Promise<readonly { readonly id: string }[]>;
}

/** Drives a simulator that runs in another process; throws what the simulator says was wrong. */
export function connectDiscordSimulator(url: string): RemoteDiscordSimulator {
  const remote = <T>(on: "world" | "faults") =>
    new Proxy({} as Remote<T>, {
      get:
        (_, method) =>
        async (...args: readonly unknown[]) =>
          ask(`${url}/control/call`, { on, method, args }),
    });
  return {
    url,
    world: remote<World>("world"),
    faults: remote<Faults>("faults"),
    sayAll: async (sayings) =>
      (await ask(
        `${url}/control/call`,
        sayings.map((saying) => ({ on: "world", method: "say", args: [saying] })),
      )) as { id: string }[],
    report: async () => (await ask(`${url}/control/report`)) as Report,
  };
}

async function ask(url: string, body?: object): Promise<unknown> {
  const request = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(url, { ...request, headers: { connection: "close" } });
  const value = await response.json();
  if (response.ok) return value;
  throw new Error((value as { readonly error?: string }).error ?? `the simulator answered ${response.status}`);
}

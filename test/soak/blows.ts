import type { PostgresServer } from "../servers/postgres.ts";
import type { RedisServer } from "../servers/redis.ts";
import { askRedis } from "../servers/shared.ts";
import type { DiscordSimulator } from "../simulators/discord/simulator.ts";
import { pause, type Crew } from "./crew.ts";
import type { Blow } from "./plan.ts";

/** What blows are dealt to. */
interface Victims {
  readonly crew: Crew;
  readonly simulator: DiscordSimulator;
  readonly postgres: PostgresServer;
  readonly redis: RedisServer;
}

/** Deals blows. */
export interface Hand {
  /** Resolves when it is over; what cannot be dealt now is dealt as soon as it can. */
  deal(blow: Blow): Promise<void>;
  /** How many were really dealt, by their kinds. */
  dealt(): Readonly<Record<string, number>>;
  /** Those to servers, in the order of the time. */
  readonly toServers: readonly { readonly at: number; readonly kind: Blow["kind"] }[];
}

const deadly = new Set(["SIGTERM", "SIGKILL", "SIGSTOP"]);

/** A hand that deals them to these. */
export function makeHand({ crew, simulator, postgres, redis }: Victims): Hand {
  const toServers: { at: number; kind: Blow["kind"] }[] = [];
  const note = (kind: Blow["kind"]) => void toServers.push({ at: Date.now(), kind });
  const busy = new Map<unknown, Promise<void>>();
  /** Outages of one server do not overlap: the next begins when it is back. */
  const after = (server: unknown, work: () => Promise<void>): Promise<void> => {
    const done = (busy.get(server) ?? Promise.resolve()).then(work);
    busy.set(server, done);
    return done;
  };
  const outage = (blow: Blow & { forMs: number }, server: PostgresServer | RedisServer, end: () => Promise<void>) =>
    after(server, async () => {
      await end();
      note(blow.kind);
      await pause(blow.forMs);
      await server.start();
    });
  return {
    toServers,
    deal: async (blow) => {
      switch (blow.kind) {
        case "kill":
          return crew.kill(blow.bot, blow.signal, blow.forMs);
        case "pause":
          return crew.pause(blow.bot, blow.forMs);
        case "flush-redis":
          return after(redis, async () => {
            await askRedis(redis.url, "FLUSHALL");
            note(blow.kind);
          });
        case "cut-sockets":
          while (simulator.faults.cut() === 0) await pause(50);
          return note(blow.kind);
        case "restart-redis":
          return outage(blow, redis, () => redis.stop());
        case "restart-postgres":
          return outage(blow, postgres, () => postgres.stop());
        case "kill-postgres":
          return outage(blow, postgres, () => postgres.kill());
      }
    },
    dealt: () => {
      const kinds = [
        ...crew.moments.map(({ what }) => what).filter((what) => deadly.has(what)),
        ...toServers.map(({ kind }) => kind),
      ];
      return Object.fromEntries(
        Map.groupBy(kinds, (kind) => kind)
          .entries()
          .map(([kind, all]) => [kind, all.length]),
      );
    },
  };
}

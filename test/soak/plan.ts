import { randomFrom } from "../random.ts";

/** One thing that happens in a soak, `afterMs` after the one before. */
export type Deed =
  | {
      readonly kind: "say";
      readonly afterMs: number;
      readonly conversation: number;
      readonly author: number;
      readonly dice: number;
    }
  | ({ readonly afterMs: number } & Blow);

/** Something that goes wrong; `forMs`: how long it stays so. */
export type Blow =
  | { readonly kind: "kill"; readonly bot: number; readonly signal: "SIGTERM" | "SIGKILL"; readonly forMs: number }
  | { readonly kind: "pause"; readonly bot: number; readonly forMs: number }
  | { readonly kind: "flush-redis" | "cut-sockets" }
  | { readonly kind: "restart-redis" | "restart-postgres" | "kill-postgres"; readonly forMs: number };

/** What there is to choose from. */
export interface Cast {
  readonly bots: number;
  /** For each conversation, how many people speak in it. */
  readonly people: readonly number[];
}

/** People pause for this long at most between two messages; half of them come at once, as in a lively channel. */
const longestPauseMs = 120;
const longestAwayMs = 2_000;
/** Longer than any lease: whoever was paused comes back to find that others have taken over. */
const longestPausedMs = 15_000;
const longestOutageMs = 5_000;

/** The same deeds for the same seed: `messages` messages with `kills` blows spread evenly among them, of the kinds that `strike` deals. */
export function planSoak(options: {
  messages: number;
  kills: number;
  seed: number;
  cast: Cast;
  strike: (random: () => number, bots: number) => Blow;
}): readonly Deed[] {
  const { messages, kills, cast } = options;
  const random = randomFrom(options.seed);
  const below = (n: number) => Math.floor(random() * n);
  const killAfter = Array.from({ length: kills }, (_, i) => Math.floor(((i + random()) * messages) / kills));
  const deeds: Deed[] = [];
  for (let i = 0; i < messages; i += 1) {
    for (const _ of killAfter.filter((at) => at === i)) {
      deeds.push({ afterMs: 0, ...options.strike(random, cast.bots) });
    }
    const conversation = below(cast.people.length);
    const author = below(cast.people[conversation] ?? 1);
    deeds.push({
      kind: "say",
      afterMs: random() < 0.5 ? 0 : below(longestPauseMs),
      conversation,
      author,
      dice: random(),
    });
  }
  return deeds;
}

/** Ends one of the processes. */
export function strikeProcess(random: () => number, bots: number): Blow {
  const signal = random() < 0.5 ? "SIGTERM" : "SIGKILL";
  return { kind: "kill", bot: Math.floor(random() * bots), signal, forMs: random() * longestAwayMs };
}

/** Ends or pauses one of the processes, or does something to what they stand on. */
export function strikeAnything(random: () => number, bots: number): Blow {
  const dice = random();
  if (dice < 0.67) return strikeProcess(random, bots);
  if (dice < 0.81) return { kind: "pause", bot: Math.floor(random() * bots), forMs: random() * longestPausedMs };
  if (dice < 0.86) return { kind: "flush-redis" };
  if (dice < 0.9) return { kind: "restart-redis", forMs: random() * longestOutageMs };
  if (dice < 0.93) return { kind: "restart-postgres", forMs: random() * longestOutageMs };
  if (dice < 0.97) return { kind: "kill-postgres", forMs: random() * longestOutageMs };
  return { kind: "cut-sockets" };
}

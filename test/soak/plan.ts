import { randomFrom } from "../random.ts";

/** One thing that happens in a soak, `afterMs` after the one before. */
export type Deed =
  | { readonly kind: "say"; readonly afterMs: number; readonly conversation: number; readonly author: number }
  | {
      readonly kind: "kill";
      readonly afterMs: number;
      readonly bot: number;
      readonly signal: "SIGTERM" | "SIGKILL";
      /** How long it stays away. */
      readonly awayMs: number;
    };

/** What there is to choose from. */
export interface Cast {
  readonly bots: number;
  /** For each conversation, how many people speak in it. */
  readonly people: readonly number[];
}

/** People pause for this long at most between two messages; half of them come at once, as in a lively channel. */
const longestPauseMs = 120;
const longestAwayMs = 2_000;

/** The same deeds for the same seed: `messages` messages with `kills` kills spread evenly among them. */
export function planSoak(options: { messages: number; kills: number; seed: number; cast: Cast }): readonly Deed[] {
  const { messages, kills, cast } = options;
  const random = randomFrom(options.seed);
  const below = (n: number) => Math.floor(random() * n);
  const killAfter = Array.from({ length: kills }, (_, i) => Math.floor(((i + random()) * messages) / kills));
  const deeds: Deed[] = [];
  for (let i = 0; i < messages; i += 1) {
    for (const _ of killAfter.filter((at) => at === i)) {
      const signal = random() < 0.5 ? "SIGTERM" : "SIGKILL";
      deeds.push({ kind: "kill", afterMs: 0, bot: below(cast.bots), signal, awayMs: below(longestAwayMs) });
    }
    const conversation = below(cast.people.length);
    const author = below(cast.people[conversation] ?? 1);
    deeds.push({ kind: "say", afterMs: random() < 0.5 ? 0 : below(longestPauseMs), conversation, author });
  }
  return deeds;
}

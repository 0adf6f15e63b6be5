import type { Fault } from "../errors.ts";
import type { Component } from "../lifecycle/component.ts";

/** One agent as the rest of the program reads it: validated, defaults filled in, references resolved. */
export interface Agent {
  readonly name: string;
  readonly displayName: string;
  /** What the supervisor reads to decide. */
  readonly description: string;
  readonly prompt: string;
  readonly isDefault: boolean;
  /** Nulls: what the process is configured with. */
  readonly model: {
    readonly name: string | null;
    readonly temperature: number | null;
    readonly maxOutputTokens: number | null;
  };
  /** Channel names or ids. An empty `allow` allows all. Weights from 0 to 1 are a hint to the supervisor. */
  readonly channels: {
    readonly allow: readonly string[];
    readonly deny: readonly string[];
    readonly weights: Readonly<Record<string, number>>;
  };
  readonly triggers: { readonly mention: boolean; readonly keywords: readonly string[] };
  /** Null: with a bot of its own where it has one, and otherwise with the voice of the bot. */
  readonly voice: { readonly webhook: { readonly avatarUrl: string | null } | null };
  readonly memory: { readonly recall: boolean; readonly scope: "channel" | "guild" };
  /** Nulls: no limit of its own. */
  readonly budget: {
    readonly maxTokensPerTurn: number | null;
    readonly dailyTokens: number | null;
    readonly timeoutSeconds: number | null;
  };
  /** Names of agents this one may hand a message to. */
  readonly handoffs: readonly string[];
}

/** What the bot is like at one moment. Immutable: a turn that began with one snapshot ends with it. */
export interface Snapshot {
  /** Short hash of everything in it. */
  readonly revision: string;
  /** At least one; names are unique. */
  readonly agents: readonly Agent[];
  readonly defaultAgent: Agent;
}

/**
 * What the bot is like, changeable while it runs. `start` rejects with Misconfigured when there is no good first state;
 * afterwards a bad state changes nothing: `current` stays the last good one and `refused` says what is wrong.
 */
export interface Settings extends Component {
  /** Throws before `start` has resolved. */
  current(): Snapshot;
  /** That of `current`; null before `start` has resolved. */
  revision(): string | null;
  /** The faults of the newest state that was refused; empty when the newest is served. */
  refused(): readonly Fault[];
}

import type { Envelope, Snowflake } from "../envelope.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Usage } from "../model/model.ts";

/** How an answer came about, kept with its turn and shown by `/why`. */
export interface Receipt {
  readonly messageId: Snowflake;
  readonly agent: string;
  readonly agentDisplayName: string;
  /** Who decided that this agent answers: a routing judge, the supervisor, a hand-off, or the fallback. */
  readonly chosenBy: "routing" | "supervisor" | "handoff" | "fallback";
  readonly reason: string;
  readonly memories: readonly RecalledMemory[];
  /** The messages of today's conversation that its writer had before its eyes. */
  readonly heard?: readonly Snowflake[];
  /** The model that wrote it; "memory" when the ladder answered from memory alone. */
  readonly model: string;
  readonly promptRevision: string;
  readonly settingsRevision: string;
  readonly tokens: Usage;
  /** Milliseconds by stage (queued, route, recall, wait, model, speak …). */
  readonly stageMs: Readonly<Record<string, number>>;
  /** Plain sentences about anything out of the ordinary: a repair, a cut stream, recall without vectors. */
  readonly notes: readonly string[];
}

/** One memory with where it came from; what `/memory` and `/why` show. */
export interface RecalledMemory {
  readonly id: string;
  readonly text: string;
  readonly author: string | null;
  readonly createdAt: Date;
  readonly score: number;
  /** The message it was made from: `#channel · message id`. */
  readonly source: string;
}

export interface Reply {
  readonly envelope: Envelope;
  readonly agent: { readonly name: string; readonly displayName: string };
  /** Never empty. */
  readonly text: string;
  /** True when this text may have been shown before: its writing and its commit were parted by a crash. */
  readonly redelivered: boolean;
  /** Null for an apology that no agent wrote. */
  readonly receipt: Receipt | null;
}

/** What came with a message, as far as it is read: the text of files, and pictures as they are. */
export type Attached =
  | { readonly kind: "text"; readonly name: string; readonly text: string }
  | { readonly kind: "image"; readonly name: string; readonly mediaType: string; readonly base64: string };

/** What happens with a message before its answer is there. */
export type Progress =
  | { readonly kind: "thinking" }
  /** `agent` is its name in the settings. */
  | { readonly kind: "text"; readonly agent: string; readonly delta: string }
  | { readonly kind: "waiting"; readonly waitMs: number; readonly ahead: number }
  /** A promise: the message is kept and answered later; `sentence` says so to the person. */
  | { readonly kind: "deferred"; readonly untilMs: number; readonly sentence: string }
  /** Nothing more will come for this message, and that is right (a judge said so). */
  | { readonly kind: "ignored"; readonly reason: string };

/**
 * Hears people and speaks to them. Hearing is `hear`, given at construction: it resolves when the message is kept, and
 * only then may the source be acknowledged; it rejects when it could not be kept, and the person must then be told.
 */
export interface Chat extends Component {
  /** What came with a message; none is no failure. Never throws. */
  read(envelope: Envelope, signal: AbortSignal): Promise<readonly Attached[]>;
  /** Shows a finished reply; resolves when it is out. Rejects with a ForeseenError when it is not. */
  speak(reply: Reply, signal: AbortSignal): Promise<void>;
  /** Best effort, never throws, may drop: a spinner, a typing sign, a streamed piece of the answer. */
  show(envelope: Envelope, progress: Progress): void;
}

/** Keeps a heard message; see Chat. `false`: it was known already. */
export type Hear = (envelope: Envelope, signal: AbortSignal) => Promise<boolean>;

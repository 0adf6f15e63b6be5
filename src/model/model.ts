import type { Priority } from "../envelope.ts";

/** What one call to a model used, in the model's own tokens. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The part of `inputTokens` served from the provider's prompt cache. */
  readonly cachedTokens: number;
}

/** A wait before a call may go out: a true estimate in milliseconds, and how many requests go first. */
export interface Wait {
  readonly waitMs: number;
  readonly ahead: number;
  readonly reason: "requests_per_minute" | "tokens_per_minute" | "requests_per_day" | "breaker";
}

/** One recalled memory as the prompt shows it. */
export interface GroundingMemory {
  readonly id: string;
  readonly text: string;
  readonly author: string | null;
  readonly createdAt: Date;
  /** Higher is better; comparable only inside one recall. */
  readonly score: number;
}

/** What the prompt was rendered from, for a model that has no language of its own (offline) to answer by extraction. */
export interface Grounding {
  readonly agents: readonly { readonly name: string; readonly displayName: string; readonly description: string }[];
  readonly defaultAgent: string;
  readonly author: string;
  readonly message: string;
  /** Oldest first. */
  readonly conversation: readonly { readonly author: string; readonly fromAgent: boolean; readonly text: string }[];
  /** Best first. */
  readonly memories: readonly GroundingMemory[];
}

export interface GenerateRequest {
  /** Stable from turn to turn (rules, personas), so that implicit caching works. */
  readonly system: string;
  /** Memory, then today's conversation, then the message; what people wrote is fenced as data in it. */
  readonly prompt: string;
  /** Pictures that belong to the message; left out for a model that cannot see. */
  readonly images?: readonly { readonly mediaType: string; readonly base64: string }[];
  /** JSON Schema (object, string, enum, required, propertyOrdering) the reply must satisfy; null for plain text. */
  readonly schema: Readonly<Record<string, unknown>> | null;
  readonly grounding: Grounding;
  readonly maxOutputTokens: number;
  readonly temperature: number | null;
  /** A model name that replaces the configured one; null for the configured one. */
  readonly model: string | null;
  readonly priority: Priority;
  /** Whose call it is, the guild's or the direct conversation's: the limits are shared fairly between these. Left out: nobody's. */
  readonly scope?: string;
  /** Raw output text as it arrives. */
  readonly onText?: ((delta: string) => void) | undefined;
  /** The answer broke off and is begun anew: the text so far is void. */
  readonly onRestart?: (() => void) | undefined;
  /** Called when the call has to wait, and again when the estimate changes. */
  readonly onWait?: ((wait: Wait) => void) | undefined;
}

export type GenerateOutcome =
  /** `truncated`: the model stopped at `maxOutputTokens` and `text` is what there is of it. Text is never empty. */
  | {
      readonly kind: "text";
      readonly text: string;
      readonly truncated: boolean;
      readonly model: string;
      readonly usage: Usage;
    }
  /** The provider refused, or had nothing to say; `sentence` tells the person so. Not a fault of the provider. */
  | {
      readonly kind: "blocked";
      readonly reason: string;
      readonly sentence: string;
      readonly model: string;
      readonly usage: Usage;
    };

export interface EmbedRequest {
  /** 1 to 100 texts. */
  readonly texts: readonly string[];
  /** What the vectors are for; providers embed a question and a document differently. */
  readonly task: "query" | "document";
  readonly priority: Priority;
  /** The guild or the direct conversation for which it is; nobody's when left out. */
  readonly scope?: string;
  /** A former space of the same provider, one that `embedder.reads`; the current one unless told otherwise. */
  readonly space?: string;
}

export interface Embedder {
  /** Names the vector space, model and dimensions together: vectors of two spaces are never compared. */
  readonly space: string;
  /** `lexical`: same words make near vectors (the offline hash). `semantic`: same meaning does. */
  readonly kind: "lexical" | "semantic";
  readonly dimensions: number;
  /** Whether a query can be embedded in this space: the current one, and former ones whose model the provider still has. */
  readonly reads: (space: string) => boolean;
}

/**
 * Writes replies and embeds texts. Throws ForeseenError only: `retry` dispositions for what may work later
 * (`model_unavailable`, `model_quota`, `model_deadline`), `bury` for what never will (`model_misconfigured`); when
 * `signal` aborts, it throws `model_deadline` within a few milliseconds. It never returns an empty text.
 */
export interface Model {
  /** For people: "gemini-3.5-flash-lite", "offline". */
  readonly name: string;
  readonly offline: boolean;
  readonly embedder: Embedder;
  generate(request: GenerateRequest, signal: AbortSignal): Promise<GenerateOutcome>;
  /** One unit-length vector of the space's dimensions per text, in order. */
  embed(request: EmbedRequest, signal: AbortSignal): Promise<readonly (readonly number[])[]>;
}

/** What the simulator can do wrong, beyond replying; each is one way Gemini has really failed. */
export const faults = [
  "429-minute",
  "429-day",
  "429-zero",
  "429-bare",
  "400-key",
  "400-field",
  "403",
  "404",
  "500",
  "503",
  "502-html",
  "200-html",
  "reset",
  "reset-mid",
  "hang",
  "hang-mid",
  "cut",
  "error-in-200",
  // The stream stays open after it.
  "quota-in-200",
  "half-json",
] as const;

export type FaultName = (typeof faults)[number];

/** One scripted answer. The first behaviour that fits a request is used, `times` times. */
export interface Behaviour {
  readonly on?: "generate" | "embed";
  /** Fits only requests to this model. */
  readonly model?: string;
  /** Fits only requests whose body contains this text. */
  readonly when?: string;
  /** 1 unless told otherwise; null for ever. */
  readonly times?: number | null;
  readonly fault?: FaultName;
  /** The text of the reply; an object is sent as JSON. */
  readonly reply?: string | Readonly<Record<string, unknown>>;
  /** A regular expression: without a `reply`, the answer quotes what it finds last in the prompt instead of the last line. */
  readonly quotes?: string;
  /** Instead of STOP; with anything but STOP and MAX_TOKENS no parts are sent unless `reply` is given. */
  readonly finishReason?: string;
  /** Blocks the prompt itself: no candidates at all. */
  readonly blockReason?: string;
  /** The model asks for a function; a request that brings a functionResponse is answered with text. */
  readonly functionCall?: { readonly name: string; readonly args: Readonly<Record<string, unknown>> };
  /** A part marked as thought, with its signature, before the text. */
  readonly thought?: string;
  /** Server-sent comments, CRLF and an event name between the chunks. */
  readonly comments?: boolean;
  readonly firstTokenMs?: number;
  readonly chunkMs?: number;
  readonly retryDelaySeconds?: number;
  readonly cachedTokens?: number;
}

/** The scripted behaviours that are still to come. */
export interface Script {
  add(behaviours: readonly Behaviour[]): void;
  clear(): void;
  next(on: "generate" | "embed", model: string, body: string): Behaviour;
  readonly length: number;
}

export function makeScript(): Script {
  let queue: { readonly behaviour: Behaviour; left: number }[] = [];
  return {
    get length() {
      return queue.length;
    },
    add: (behaviours) => {
      for (const behaviour of behaviours) {
        queue.push({ behaviour, left: behaviour.times === null ? Infinity : (behaviour.times ?? 1) });
      }
    },
    clear: () => {
      queue = [];
    },
    next: (on, model, body) => {
      const fits = (one: Behaviour) =>
        (one.on ?? on) === on && (one.model ?? model) === model && body.includes(one.when ?? "");
      const entry = queue.find(({ behaviour }) => fits(behaviour));
      if (entry === undefined) return {};
      entry.left -= 1;
      queue = queue.filter((one) => one.left > 0);
      return entry.behaviour;
    },
  };
}

import type { Writable } from "node:stream";
import type { Logger } from "../log.ts";
import type { Chat, Hear } from "../chat/chat.ts";
import type { Desk } from "../chat/desk.ts";
import { makeInteractiveTerminal } from "./interactive.ts";
import { makePipedTerminal } from "./piped.ts";
import type { TerminalEnv, TerminalInput, TerminalOutput } from "./screen.ts";

export interface TerminalOptions {
  readonly input: TerminalInput;
  readonly output: TerminalOutput;
  /** Where commands answer when the terminal is piped; the standard error stream unless told otherwise. */
  readonly errors?: Writable;
  readonly env: TerminalEnv;
  /** Piped only: one JSON object per answer. */
  readonly json: boolean;
  readonly maxMessageChars: number;
  /** Who is speaking until `/as` says otherwise; "you" unless told. */
  readonly author?: string;
  /** BCP 47 tag of what is typed; null unless told. */
  readonly locale?: string | null;
  readonly log: Logger;
  readonly now: () => Date;
  /** Everything was said and answered, or the reader went away: the program may end with exit 0. Called once. */
  readonly onDone: () => void;
  /** Ctrl-C was pressed in raw mode, where the terminal sends no signal. */
  readonly onInterrupt: () => void;
}

/** The rest of the program, as far as a terminal needs it. */
export interface Backing {
  readonly hear: Hear;
  readonly desk: Desk;
  /** Resolves when the inbox holds nothing that waits for an answer. */
  drained(signal: AbortSignal): Promise<void>;
  readonly facts: {
    /** Display names, in the order of the settings. */
    readonly agents: readonly string[];
    /** Such as "offline model; set GEMINI_API_KEY for Gemini". */
    readonly model: string;
    readonly dataDir: string;
    readonly version: string;
    /** Null: nothing listens. */
    readonly httpUrl: string | null;
  };
}

/** A chat with the person at the terminal, or with whoever is at the other end of a pipe. */
export interface Terminal extends Chat {
  /** Draws banner and prompt at once and keeps what is typed; called before anything heavy is loaded. */
  open(): void;
  /** Gives it the rest of the program; called once, before `start`. */
  connect(backing: Backing): void;
  /** One sentence above the prompt: how far a slow start is, a port that was taken. */
  say(sentence: string): void;
}

/** Interactive when a person is at both ends, piped otherwise. */
export function makeTerminal(options: TerminalOptions): Terminal {
  const interactive = options.input.isTTY === true && options.output.isTTY === true;
  return interactive ? makeInteractiveTerminal(options) : makePipedTerminal(options);
}

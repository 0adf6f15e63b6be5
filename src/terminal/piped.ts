import type { Readable, Writable } from "node:stream";
import type { Envelope, Snowflake } from "../envelope.ts";
import { asError, ForeseenError } from "../errors.ts";
import type { Progress, Reply } from "../chat/chat.ts";
import type { Backing, Terminal, TerminalOptions } from "./terminal.ts";
import { isCommand, movesSeat, runCommand, type Teller } from "./commands.ts";
import { makeSeat, type Seat } from "./place.ts";
import { clean, flat } from "./text.ts";

/** Lines read and not answered yet; more are not read before some are. */
const mostUnanswered = 64;

/** One message a line in, one answer a line out and nothing else on the output; commands answer on `errors`. */
export function makePipedTerminal(options: TerminalOptions): Terminal {
  return new PipedTerminal(options);
}

class PipedTerminal implements Terminal {
  readonly name = "terminal";
  readonly #options: TerminalOptions;
  readonly #seat: Seat;
  readonly #teller: Teller;
  readonly #unanswered = new Unanswered();
  readonly #leaving = new AbortController();
  #backing: Backing | null = null;
  #reading: Promise<void> = Promise.resolve();
  #fatal: ((error: Error) => void) | null = null;
  #gone: ForeseenError | null = null;
  #opened = false;
  #quit = false;
  #done = false;

  constructor(options: TerminalOptions) {
    this.#options = options;
    this.#seat = makeSeat({ author: options.author ?? "you", locale: options.locale ?? null, now: options.now });
    this.#teller = makePlainTeller(options.errors ?? process.stderr);
  }

  open(): void {
    if (!this.#opened) this.#options.output.on("error", (error) => this.#lost(error));
    this.#opened = true;
  }

  connect(backing: Backing): void {
    this.#backing = backing;
  }

  say(sentence: string): void {
    this.#options.log.info(sentence);
  }

  async start(_signal: AbortSignal, fatal: (error: Error) => void): Promise<void> {
    if (this.#backing === null) throw new Error("the terminal was started before it was connected");
    this.open();
    this.#fatal = fatal;
    this.#reading = this.#readAll(this.#backing).catch((thrown: unknown) => {
      if (!this.#leaving.signal.aborted) fatal(asError(thrown));
    });
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#leaving.abort();
    this.#unanswered.wake();
    this.#options.input.destroy();
    const late = new Promise<void>((resolve) => {
      if (deadline.aborted) resolve();
      deadline.addEventListener("abort", () => resolve(), { once: true });
    });
    await Promise.race([this.#reading, late]);
  }

  async speak(reply: Reply): Promise<void> {
    const retry = { kind: "retry", afterMs: 0 } as const;
    if (this.#leaving.signal.aborted) throw new ForeseenError("reader_gone", "the terminal is closed", retry);
    if (this.#gone !== null) throw this.#gone;
    const line = this.#options.json ? jsonOf(reply) : lineOf(reply);
    const failed = await new Promise<Error | null | undefined>((resolve) => {
      this.#options.output.write(`${line}\n`, resolve);
    });
    if (failed) throw this.#lost(failed);
    this.#unanswered.remove(reply.envelope.messageId);
  }

  /** Nothing comes with a line. */
  async read(): Promise<[]> {
    return [];
  }

  show({ messageId }: Envelope, progress: Progress): void {
    const { log } = this.#options;
    if (progress.kind === "deferred") log.warn({ messageId, untilMs: progress.untilMs }, progress.sentence);
    if (progress.kind !== "ignored") return;
    log.info({ messageId, reason: progress.reason }, "a line needs no answer");
    this.#unanswered.remove(messageId);
  }

  async #readAll(backing: Backing): Promise<void> {
    const { signal } = this.#leaving;
    // A line is longer before its control characters and outer spaces are gone; this much is held to find out.
    for await (const line of readLines(this.#options.input, this.#options.maxMessageChars * 4)) {
      await this.#take(line, backing);
      if (this.#quit || this.#gone !== null) break;
    }
    await this.#unanswered.atMost(0, signal);
    await backing.drained(signal);
    await this.#unanswered.atMost(0, signal);
    this.#finish();
  }

  async #take({ number, text }: Line, { hear, desk }: Backing): Promise<void> {
    const { log, maxMessageChars } = this.#options;
    const { signal } = this.#leaving;
    if (text !== null && isCommand(text)) {
      // Or `/why` in a script would not be about the line before it. A change of seat concerns only the lines after it.
      if (!movesSeat(text)) await this.#unanswered.atMost(0, signal);
      const quit = (): boolean => (this.#quit = true);
      await runCommand(text, { desk, seat: this.#seat, teller: this.#teller, log, quit }, signal);
      return;
    }
    const envelope = text === null ? null : this.#seat.envelope(text.replace(/^\/\//u, "/"));
    if (text === null || (envelope !== null && envelope.text.length > maxMessageChars)) {
      log.error(
        { line: number, maxMessageChars },
        "a line is over the limit and was refused; split it into shorter ones",
      );
      return;
    }
    if (envelope === null) return;
    const { messageId } = envelope;
    await this.#unanswered.atMost(mostUnanswered - 1, signal);
    this.#unanswered.add(messageId);
    try {
      if (await hear(envelope, signal)) return;
      log.warn({ line: number, messageId }, "a line was kept before under the same id");
    } catch (thrown) {
      log.error({ line: number, messageId, err: asError(thrown) }, "a line could not be kept and will not be answered");
    }
    this.#unanswered.remove(messageId);
  }

  #lost(error: NodeJS.ErrnoException): ForeseenError {
    if (this.#gone !== null) return this.#gone;
    const code = error.code ?? error.name;
    const retry = { kind: "retry", afterMs: 0 } as const;
    this.#gone = new ForeseenError("reader_gone", `answers cannot be written (${code})`, retry, { cause: error });
    if (["EPIPE", "EIO", "ERR_STREAM_DESTROYED", "ERR_STREAM_WRITE_AFTER_END"].includes(code)) this.#finish();
    else this.#fatal?.(error);
    return this.#gone;
  }

  #finish(): void {
    if (!this.#done) this.#options.onDone();
    this.#done = true;
  }
}

interface Line {
  /** From 1. */
  readonly number: number;
  /** Null: longer than is held. */
  readonly text: string | null;
}

/** Lines of UTF-8, ended by LF, CRLF or the end. What is no UTF-8 becomes U+FFFD; a line over `maxChars` is not held. */
async function* readLines(input: Readable, maxChars: number): AsyncGenerator<Line> {
  const decoder = new TextDecoder();
  let number = 0;
  let held = "";
  let tooLong = false;
  const hold = (piece: string): void => {
    tooLong ||= held.length + piece.length > maxChars;
    held = tooLong ? "" : held + piece;
  };
  const finish = (): Line => {
    number += 1;
    const line = { number, text: tooLong ? null : held.replace(/\r$/u, "") };
    [held, tooLong] = ["", false];
    return line;
  };
  try {
    for await (const chunk of input as AsyncIterable<Buffer | string>) {
      const text = typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
      const [first = "", ...others] = text.split("\n");
      hold(first);
      for (const piece of others) {
        yield finish();
        hold(piece);
      }
    }
  } catch {
    // An input that breaks or is closed at the stop has ended, and what came before it counts.
  }
  hold(decoder.decode());
  if (held !== "" || tooLong) yield finish();
}

/** The messages of this run that nothing was said to yet. */
class Unanswered {
  readonly #ids = new Set<Snowflake>();
  readonly #waiting: (() => void)[] = [];

  add(id: Snowflake): void {
    this.#ids.add(id);
  }

  remove(id: Snowflake): void {
    this.#ids.delete(id);
    this.wake();
  }

  /** Has everyone who waits look again, at the count and at the signal. */
  wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves when there are no more than `count`; rejects once `signal` is aborted. */
  async atMost(count: number, signal: AbortSignal): Promise<void> {
    while (this.#ids.size > count && !signal.aborted) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    signal.throwIfAborted();
  }
}

function makePlainTeller(errors: Writable): Teller {
  const tell = (text: string): void => void errors.write(`${clean(text).replaceAll("\n", "\n  ")}\n`);
  return {
    say: tell,
    rows: (rows) => rows.forEach(([label, value]) => tell(`${label}: ${value}`)),
    async confirm(question) {
      tell(`${question} Only a person at a terminal can say yes to that; /forget ID forgets one.`);
      return false;
    },
  };
}

function lineOf({ agent, text, redelivered }: Reply): string {
  const again = redelivered ? "(shown again after a crash) " : "";
  return `${flat(agent.displayName)}: ${again}${clean(text).trim()}`.replaceAll("\n", "\n  ");
}

function jsonOf({ envelope, text, redelivered, receipt }: Reply): string {
  const json = JSON.stringify({
    messageId: envelope.messageId,
    agent: receipt?.agent ?? null,
    text: text.toWellFormed(),
    memories: (receipt?.memories ?? []).map(({ id, score }) => ({ id, score })),
    model: receipt?.model ?? null,
    promptRevision: receipt?.promptRevision ?? null,
    tokens: receipt?.tokens ?? null,
    stageMs: receipt?.stageMs ?? {},
    redelivered,
  });
  // JSON leaves DEL and C1 as they are, and a terminal may take them for commands.
  return json.replace(/[\u007F-\u009F]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

import { asError } from "../errors.ts";
import type { Envelope } from "../envelope.ts";
import type { Progress, Reply } from "../chat/chat.ts";
import type { Backing, Terminal, TerminalOptions } from "./terminal.ts";
import { Answers } from "./answers.ts";
import { Board } from "./board.ts";
import { isCommand, runCommand, type Teller } from "./commands.ts";
import { makeSeat, type Seat } from "./place.ts";

/** A person at a terminal: line editing, a spinner, answers as they are written, one after the other. */
export function makeInteractiveTerminal(options: TerminalOptions): Terminal {
  return new InteractiveTerminal(options);
}

class InteractiveTerminal implements Terminal {
  readonly name = "terminal";
  readonly #options: TerminalOptions;
  readonly #seat: Seat;
  readonly #board: Board;
  readonly #answers: Answers;
  readonly #leaving = new AbortController();
  /** Lines that were typed and not looked at yet. */
  readonly #typed: string[] = [];
  #backing: Backing | null = null;
  #state: "starting" | "idle" | "busy" = "starting";
  #ended = false;
  /** Takes the next line as the answer to a question; null: there will be none. */
  #asked: ((line: string | null) => void) | null = null;

  constructor(options: TerminalOptions) {
    this.#options = options;
    this.#seat = makeSeat({ author: options.author ?? "you", locale: options.locale ?? null, now: options.now });
    this.#board = new Board(options, this.#seat, () => this.#status());
    this.#answers = new Answers(this.#board, this.#seat, options.now);
  }

  open(): void {
    this.#board.open({ onLine: (line) => this.#onLine(line), onEnd: () => this.#onEnd() });
  }

  connect(backing: Backing): void {
    this.#backing = backing;
    this.#answers.nameAgents((given) => {
      const known = backing.desk.agents().find(({ name, displayName }) => name === given || displayName === given);
      return known?.displayName ?? given;
    });
    this.#board.banner(backing.facts);
  }

  say(sentence: string): void {
    this.#board.note(sentence);
  }

  async start(): Promise<void> {
    if (this.#backing === null) throw new Error("the terminal was started before it was connected");
    this.open();
    this.#state = "idle";
    this.#board.draw();
    void this.#work();
  }

  async stop(): Promise<void> {
    this.#leaving.abort();
    this.#asked?.(null);
    this.#board.close();
  }

  async speak(reply: Reply, signal: AbortSignal): Promise<void> {
    await this.#answers.speak(reply, AbortSignal.any([signal, this.#leaving.signal]));
  }

  /** Nothing comes with a line. */
  async read(): Promise<[]> {
    return [];
  }

  show(envelope: Envelope, progress: Progress): void {
    this.#answers.show(envelope, progress);
  }

  #status(): string | null {
    if (this.#state !== "starting") return this.#answers.status();
    const { length } = this.#typed;
    if (length === 0) return "Starting; you can type already";
    return `Starting; ${length === 1 ? "your line is" : `your ${length} lines are`} kept until then`;
  }

  #onLine(line: string): void {
    if (this.#asked !== null) {
      this.#asked(line);
      return;
    }
    if (line.trim() !== "") {
      this.#board.print([""]);
      this.#typed.push(line);
      void this.#work();
    }
    this.#board.draw();
  }

  #onEnd(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#asked?.(null);
    const nothingLeft = this.#state === "idle" || (this.#state === "starting" && this.#typed.length === 0);
    if (nothingLeft) this.#options.onDone();
  }

  async #work(): Promise<void> {
    if (this.#state !== "idle" || this.#backing === null) return;
    this.#state = "busy";
    for (let line = this.#typed.shift(); line !== undefined; line = this.#typed.shift()) {
      await this.#take(line, this.#backing);
      this.#board.setPrompt(null);
      if (this.#leaving.signal.aborted) return;
    }
    this.#state = "idle";
    if (this.#ended) this.#options.onDone();
  }

  async #take(line: string, { hear, desk }: Backing): Promise<void> {
    const { signal } = this.#leaving;
    if (isCommand(line)) {
      const quit = (): void => this.#quit();
      await runCommand(line, { desk, seat: this.#seat, teller: this.#teller, log: this.#options.log, quit }, signal);
      return;
    }
    const envelope = this.#seat.envelope(line.replace(/^\/\//u, "/"));
    if (envelope === null) return;
    const { length } = envelope.text;
    const limit = this.#options.maxMessageChars;
    if (length > limit) {
      this.#board.note(`That has ${length} characters and the limit is ${limit}; it was not sent.`);
      return;
    }
    this.#answers.expect(envelope);
    try {
      if (await hear(envelope, signal)) return;
      this.#board.note("That message was kept before.");
    } catch (thrown) {
      this.#options.log.error({ messageId: envelope.messageId, err: asError(thrown) }, "a message could not be kept");
      this.#board.note("That could not be kept and will not be answered. Please send it again in a moment.");
    }
    this.#answers.forget(envelope.messageId);
  }

  #quit(): void {
    this.#typed.length = 0;
    this.#board.end();
  }

  readonly #teller: Teller = {
    say: (sentence) => this.#board.note(sentence),
    rows: (rows) => this.#board.rows(rows),
    confirm: async (question) => {
      if (this.#ended) return false;
      this.#board.setPrompt(`${question} y/N`);
      const said = await new Promise<string | null>((resolve) => (this.#asked = resolve));
      this.#asked = null;
      this.#board.setPrompt(null);
      this.#board.print([""]);
      return /^y(?:es)?$/iu.test(said?.trim() ?? "");
    },
  };
}

import { setTimeout as sleep } from "node:timers/promises";
import type { Envelope, Snowflake } from "../envelope.ts";
import { ForeseenError } from "../errors.ts";
import type { Progress, Reply } from "../chat/chat.ts";
import type { TerminalOptions } from "./terminal.ts";
import type { Board } from "./board.ts";
import type { Seat } from "./place.ts";
import { clean, fit, flat, splitWhole, wrap } from "./text.ts";

/** How long a streamed answer may stand still before another one, already finished, is shown in between. */
const quietMs = 5_000;

/** A message on its way to its answer, as far as the screen shows it. */
interface Turn {
  readonly envelope: Envelope;
  phase: "thinking" | "deferred";
  /** While it waits for the model: until when, and behind how many requests. */
  wait: { readonly untilMs: number; readonly ahead: number } | null;
  agent: string;
  /** What was streamed under this agent: all that is whole, what of it is shown, and half a character at its end. */
  text: string;
  shown: number;
  half: string;
}

/** Whose answer is being written on the board. One at a time; the others wait, so that no two are ever mixed. */
export class Answers {
  readonly #board: Board;
  readonly #seat: Seat;
  readonly #now: TerminalOptions["now"];
  readonly #turns = new Map<Snowflake, Turn>();
  /** A stream that was given up may still speak after the answer is there. */
  readonly #answered = new Set<Snowflake>();
  #on: Turn | null = null;
  /** The end of the answer on the board that is not a finished line yet. */
  #rest = "";
  #waiting: (() => void)[] = [];
  #displayNameOf: (agent: string) => string = (agent) => agent;

  constructor(board: Board, seat: Seat, now: TerminalOptions["now"]) {
    this.#board = board;
    this.#seat = seat;
    this.#now = now;
  }

  /** Streams name agents by the name in the settings, people see another. */
  nameAgents(displayNameOf: (agent: string) => string): void {
    this.#displayNameOf = displayNameOf;
  }

  /** A message was sent; the spinner turns until it is answered or forgotten. */
  expect(envelope: Envelope): Turn {
    const known = this.#turns.get(envelope.messageId);
    if (known !== undefined) return known;
    const turn: Turn = { envelope, phase: "thinking", wait: null, agent: "", text: "", shown: 0, half: "" };
    this.#turns.set(envelope.messageId, turn);
    this.#board.print([]);
    return turn;
  }

  /** Nothing will come for this message. */
  forget(id: Snowflake): void {
    this.#turns.delete(id);
    if (this.#on?.envelope.messageId === id) this.#leave("(given up)");
    this.#release();
  }

  /** What the spinner says: of the oldest message that is thought about, and how many there are beside it. */
  status(): string | null {
    const thinking = [...this.#turns.values()].filter((turn) => turn.phase === "thinking" && turn !== this.#on);
    const [first] = thinking;
    if (first === undefined) return null;
    const more = thinking.length > 1 ? ` (${thinking.length - 1} more after it)` : "";
    return (first.wait === null ? "Thinking…" : waitSentence(first.wait, this.#now())) + more;
  }

  show(envelope: Envelope, progress: Progress): void {
    if (this.#answered.has(envelope.messageId)) return;
    const turn = this.expect(envelope);
    if (progress.kind === "text") {
      this.#hear(turn, progress.agent, progress.delta);
      return;
    }
    if (this.#on === turn) this.#leave("(starting again)");
    Object.assign(turn, { phase: "thinking", wait: null, agent: "", text: "", shown: 0, half: "" });
    if (progress.kind === "waiting") {
      turn.wait = { untilMs: this.#now().getTime() + progress.waitMs, ahead: progress.ahead };
      if (this.#board.dumb) this.#board.note(waitSentence(turn.wait, this.#now()));
    }
    if (progress.kind === "deferred") {
      turn.phase = "deferred";
      this.#board.note(progress.sentence);
    }
    if (progress.kind === "ignored") {
      this.#board.note(`Nobody answers that: ${progress.reason}`);
      this.#turns.delete(envelope.messageId);
    }
    this.#release();
  }

  /** Resolves when the whole reply is on the screen; what was streamed of it is not shown twice. */
  async speak(reply: Reply, signal: AbortSignal): Promise<void> {
    const turn = this.expect(reply.envelope);
    await this.#freeFor(turn, signal);
    const text = clean(reply.text).trim();
    const name = flat(reply.agent.displayName);
    const streamed = turn.shown > 0;
    const whole = streamed && !reply.redelivered && this.#displayNameOf(turn.agent) === reply.agent.displayName;
    if (whole && text.startsWith(turn.text)) {
      if (this.#on === null) this.#enter(turn, name, ["(going on)"]);
      this.#write(text.slice(turn.text.length));
    } else if (!whole || text !== turn.text.trimEnd()) {
      if (this.#on === turn) this.#leave("");
      const marks = [streamed && "(instead of the lines above)", reply.redelivered && "(shown again after a crash)"];
      this.#enter(turn, name, marks);
      this.#write(text);
    }
    this.#leave("");
    this.#turns.delete(turn.envelope.messageId);
    this.#answered.add(turn.envelope.messageId);
    this.#release();
    await this.#board.flush();
  }

  /** Resolves when the board is free or already this turn's. */
  async #freeFor(turn: Turn, signal: AbortSignal): Promise<void> {
    while (this.#on !== null && this.#on !== turn) {
      const other = this.#on;
      const written = other.text.length;
      const released = new Promise<void>((resolve) => this.#waiting.push(resolve));
      try {
        await Promise.race([released, sleep(quietMs, undefined, { signal, ref: false })]);
      } catch (cause) {
        const retry = { kind: "retry", afterMs: 0 } as const;
        throw new ForeseenError("not_spoken", "the terminal was busy with another answer", retry, { cause });
      }
      if (this.#on === other && other.text.length === written) this.#leave("(interrupted)");
    }
  }

  #hear(turn: Turn, agent: string, delta: string): void {
    if (agent !== turn.agent) {
      if (this.#on === turn) this.#leave("");
      Object.assign(turn, { agent, text: "", shown: 0, half: "" });
    }
    const { whole, half } = splitWhole(turn.half + delta);
    turn.half = half;
    turn.text = (turn.text + clean(whole)).trimStart();
    turn.wait = null;
    if (!this.#board.dumb) this.#follow(turn);
  }

  /** Shows what was streamed of a turn since it was last looked at, if the board is its own or free. */
  #follow(turn: Turn): void {
    if (turn.text.length === turn.shown || (this.#on !== null && this.#on !== turn)) return;
    const name = flat(this.#displayNameOf(turn.agent));
    if (this.#on === null) this.#enter(turn, name, [turn.shown > 0 && "(going on)"]);
    this.#write(turn.text.slice(turn.shown));
    turn.shown = turn.text.length;
  }

  /** The agent's name, and beside it what tells this answer from others. */
  #enter(turn: Turn, name: string, marks: readonly (string | false)[]): void {
    this.#on = turn;
    const { channelId, channelName, text } = turn.envelope;
    const elsewhere = channelId !== this.#seat.place().channelId && `in #${channelName}`;
    const question = this.#turns.size > 1 && `↳ ${fit(clean(text), 30)}`;
    const aside = [elsewhere, question, ...marks].filter((part) => part !== false).join(" ");
    const [first = "", ...others] = this.#board.lines(`${name} ${aside}`);
    const { paint } = this.#board;
    const painted = first.startsWith(name) ? paint.agent(name) + paint.dim(first.slice(name.length)) : first;
    this.#board.print([painted, ...others.map((line) => paint.dim(line))]);
  }

  #write(text: string): void {
    const indent = this.#board.width() < 40 ? "" : "  ";
    const lines = wrap(this.#rest + text.replaceAll("\t", "    "), this.#board.width() - indent.length);
    const last = lines.at(-1)?.endsWith("\n") === false ? lines.pop() : undefined;
    this.#rest = last ?? "";
    this.#board.print(lines.map((line) => (indent + line).trimEnd()));
    this.#board.setUnfinished((indent + this.#rest).trimEnd());
  }

  #leave(mark: string): void {
    if (this.#rest !== "") this.#write("\n");
    this.#board.print(mark === "" ? [""] : [this.#board.paint.dim(mark), ""]);
    this.#board.setUnfinished(null);
    this.#on = null;
  }

  /** Lets the next one onto the free board: a finished answer first, else whatever was streamed meanwhile. */
  #release(): void {
    this.#board.print([]);
    if (this.#on !== null) return;
    const woken = this.#waiting.splice(0);
    for (const wake of woken) wake();
    const next = [...this.#turns.values()].find((turn) => turn.text.length > turn.shown);
    if (woken.length === 0 && next !== undefined && !this.#board.dumb) this.#follow(next);
  }
}

function waitSentence({ untilMs, ahead }: { untilMs: number; ahead: number }, now: Date): string {
  const seconds = Math.ceil((untilMs - now.getTime()) / 1_000);
  const about = seconds > 0 ? `about ${seconds} s` : "any moment now";
  return ahead > 0 ? `${about}: ${ahead} ${ahead === 1 ? "request" : "requests"} ahead` : about;
}

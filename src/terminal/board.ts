import { asError, ForeseenError } from "../errors.ts";
import type { Backing, TerminalOptions } from "./terminal.ts";
import { completeCommand, type Row } from "./commands.ts";
import type { Seat } from "./place.ts";
import { makePaint, openScreen, type Paint, type Screen } from "./screen.ts";
import { clean, fit, flat, widthOf, wrap } from "./text.ts";

const spinner = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const spinnerMs = 100;
const drawMs = 30;

/** What stands on the screen: finished lines, one status or unfinished line that changes in place, the prompt. */
export class Board {
  readonly paint: Paint;
  readonly #options: TerminalOptions;
  readonly #seat: Seat;
  /** Nothing may change in place: no spinner, no streaming. */
  readonly dumb: boolean;
  #screen: Screen | null = null;
  #scrolled: string[] = [];
  readonly #status: () => string | null;
  #unfinished: string | null = null;
  #frame = 0;
  #spinning: NodeJS.Timeout | null = null;
  #soon: NodeJS.Timeout | null = null;
  #broken: Error | null = null;

  /** `status` is what the spinner says, asked anew at each of its turns; null stops it. */
  constructor(options: TerminalOptions, seat: Seat, status: () => string | null) {
    this.#options = options;
    this.#seat = seat;
    this.#status = status;
    this.dumb = options.env.TERM === "dumb";
    this.paint = makePaint(options.env);
  }

  /** Takes the terminal over; `onEnd` is called when the person is done or the terminal is gone. */
  open(heard: { onLine: (line: string) => void; onEnd: () => void }): void {
    if (this.#screen !== null) return;
    const { input, output, onInterrupt } = this.#options;
    const lost = (error: Error): void => {
      this.#broken ??= error;
      heard.onEnd();
    };
    input.on("error", lost);
    output.on("error", lost);
    const given = { input, output, onInterrupt, complete: completeCommand, dumb: this.dumb, ...heard };
    this.#screen = openScreen({ ...given, prompt: this.#promptOf(null) });
    this.print([
      this.paint.bold("discord-agent") +
        this.paint.dim(` ${fit("· agents that talk and remember", this.width() - 14)}`),
      "",
    ]);
    this.draw();
  }

  /** Who is there, what answers, where the data lives. */
  banner({ agents, model, dataDir, httpUrl, version }: Backing["facts"]): void {
    const names = agents.map((name) => flat(name));
    const health: Row[] = httpUrl === null ? [] : [["Health", httpUrl]];
    const rows: Row[] = [
      ["Agents", names.join(", ")],
      ["Model", model],
      ["Data", dataDir],
      ...health,
      ["Version", version],
    ];
    // Colour comes after wrapping, which counts columns; a list too long for its line goes without.
    const coloured = names.map((name) => this.paint.agent(name)).join(", ");
    const lines = rowLines(rows, this.width(), this.paint).map((line) =>
      line.replace(names.join(", "), () => coloured),
    );
    this.print([...lines, "", ...this.lines("Say something, or type /help."), ""]);
    this.draw();
  }

  /** For good, above everything that changes. */
  print(lines: readonly string[]): void {
    this.#scrolled.push(...lines);
    this.#soon ??= setTimeout(() => this.draw(), drawMs).unref();
  }

  /** A sentence of the program itself. */
  note(sentence: string): void {
    this.print([...this.lines(sentence).map((line) => this.paint.dim(line)), ""]);
  }

  rows(rows: readonly Row[]): void {
    this.print([...rowLines(rows, this.width(), this.paint), ""]);
  }

  /** The text as lines that fit. */
  lines(text: string): string[] {
    return wrap(clean(text).replaceAll("\t", "    "), this.width()).map((line) => line.trimEnd());
  }

  /** How many columns a line may fill. */
  width(): number {
    return this.#screen?.width() ?? 79;
  }

  /** The line an answer is being written on; null when none is. */
  setUnfinished(line: string | null): void {
    this.#unfinished = line;
    this.print([]);
  }

  /** The question to be answered next, or whoever speaks. */
  setPrompt(question: string | null): void {
    this.#screen?.setPrompt(this.#promptOf(question));
    this.print([]);
  }

  readonly draw = (): void => {
    if (this.#soon !== null) clearTimeout(this.#soon);
    this.#soon = null;
    const status = this.#unfinished === null ? this.#status() : null;
    const said = status === null ? null : fit(`${spinner[this.#frame % spinner.length] ?? ""} ${status}`, this.width());
    const live = this.#unfinished ?? (said === null ? null : this.paint.dim(said));
    this.#screen?.draw(this.#scrolled.splice(0), live === null ? [] : [live, ""]);
    if (status !== null && !this.dumb) this.#spinning ??= setInterval(this.#turn, spinnerMs).unref();
    else this.#stopSpinning();
  };

  /** Draws what is left to draw; rejects with `reader_gone` when nobody can see it. */
  async flush(): Promise<void> {
    this.draw();
    try {
      if (this.#broken === null) await this.#screen?.flushed();
    } catch (thrown) {
      this.#broken = asError(thrown);
    }
    if (this.#screen !== null && this.#broken === null) return;
    const cause = this.#broken ?? undefined;
    throw new ForeseenError("reader_gone", "the terminal is closed", { kind: "retry", afterMs: 0 }, { cause });
  }

  /** Nothing more is typed; answers are still shown. */
  end(): void {
    this.#screen?.end();
  }

  /** Gives the terminal back; nothing is shown after. */
  close(): void {
    this.draw();
    this.#stopSpinning();
    this.#screen?.close();
    this.#screen = null;
  }

  readonly #turn = (): void => {
    this.#frame += 1;
    this.draw();
  };

  #stopSpinning(): void {
    if (this.#spinning !== null) clearInterval(this.#spinning);
    this.#spinning = null;
  }

  #promptOf(question: string | null): string {
    const { author, channel } = this.#seat;
    const label = question ?? author + (channel === "general" ? "" : ` #${channel}`);
    return `${this.paint.bold(fit(label, Math.floor(this.width() * 0.6)))} ${this.dumb ? ">" : "▸"} `;
  }
}

function rowLines(rows: readonly Row[], width: number, paint: Paint): string[] {
  const cleaned = rows.map(([label, value]) => [flat(label), clean(value).replaceAll("\t", "    ")] as const);
  const beside = Math.max(...cleaned.map(([label]) => widthOf(label))) + 4;
  const stacked = beside + 24 > width;
  return cleaned.flatMap(([label, value]) => {
    const indent = stacked ? 2 : beside;
    const lines = wrap(value, width - indent).map((line) => " ".repeat(indent) + line.trimEnd());
    const first = `  ${paint.dim(label)}`;
    if (stacked) return [...wrap(label, width).map((line) => paint.dim(line.trimEnd())), ...lines];
    const pad = " ".repeat(beside - widthOf(label) - 2);
    return [first + pad + (lines[0] ?? "").trimStart(), ...lines.slice(1)];
  });
}

import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { stripVTControlCharacters, styleText } from "node:util";
import { widthOf } from "./text.ts";

/** What a person types on; `isTTY` and raw mode as Node's own stream has them. */
export type TerminalInput = Readable & { readonly isTTY?: boolean };
/** What is written to; without `columns`, or with none, a width of 80 is taken. */
export type TerminalOutput = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/**
 * Lines scroll away above; below them stand a few live lines that change in place, and the prompt with what is being
 * typed. Nothing written here disturbs the typing. On a dumb terminal lines follow each other and nothing is live.
 */
export interface Screen {
  /** How many columns a line may fill; one less than there are, because the last one makes some terminals wrap. */
  width(): number;
  /** Draws everything anew: `lines` for good, then `live`, then the prompt. */
  draw(lines: readonly string[], live: readonly string[]): void;
  /** From the next drawing on. */
  setPrompt(prompt: string): void;
  /** Resolves when all that was drawn is out. */
  flushed(): Promise<void>;
  /** Nothing more is typed: the prompt goes, `onEnd` is called, drawing goes on. */
  end(): void;
  /** Takes live lines and prompt away and gives the terminal back as it was. Later drawings do nothing. */
  close(): void;
}

export interface ScreenOptions {
  readonly input: TerminalInput;
  readonly output: TerminalOutput;
  readonly dumb: boolean;
  readonly prompt: string;
  /** What Tab offers for a beginning. */
  readonly complete: (beginning: string) => string[];
  readonly onLine: (line: string) => void;
  readonly onInterrupt: () => void;
  /** The person is done: Ctrl-D, or the terminal is gone. The prompt is away, drawing goes on. */
  readonly onEnd: () => void;
}

const csi = "\u001B[";

/** Takes the terminal over: raw mode, line editing and history from here on. */
export function openScreen(options: ScreenOptions): Screen {
  return options.dumb ? openDumbScreen(options) : new LiveScreen(options);
}

class LiveScreen implements Screen {
  readonly #output: TerminalOutput;
  readonly #readline: ReturnType<typeof openReadline>;
  #prompt: string;
  #live: readonly string[] = [];
  /** The prompt stands on the screen, at the cursor's row or above it. */
  #prompted = false;
  #typing = true;
  #closed = false;
  readonly #release: () => void;

  constructor(options: ScreenOptions) {
    const { input, output } = options;
    this.#output = output;
    this.#prompt = options.prompt;
    this.#readline = openReadline(options);
    input.prependListener("data", this.#beforeChunk);
    input.prependListener("keypress", this.#beforeReadline);
    output.on("resize", this.#redraw);
    this.#release = () => {
      input.removeListener("data", this.#beforeChunk);
      input.removeListener("keypress", this.#beforeReadline);
      output.removeListener("resize", this.#redraw);
    };
    this.#readline.on("line", (line) => {
      this.#prompted = false;
      options.onLine(line);
    });
    this.#readline.on("close", () => {
      if (this.#closed) return;
      this.#typing = false;
      this.#redraw();
      options.onEnd();
    });
  }

  width(): number {
    return this.#columns() - 1;
  }

  draw(lines: readonly string[], live: readonly string[]): void {
    if (this.#closed) return;
    const liveRows = this.#live.reduce((sum, line) => sum + rowsOf(line, this.#columns()), 0);
    const typedRows = this.#prompted ? this.#readline.getCursorPos().rows : 0;
    const up = liveRows + typedRows;
    const text = [...lines, ...live].map((line) => `${line}\n`).join("");
    this.#output.cork();
    this.#output.write(`${csi}?25l\r${up > 0 ? `${csi}${up}A` : ""}${csi}J${text}`);
    this.#live = live;
    this.#prompted = this.#typing;
    if (this.#typing) {
      this.#readline.setPrompt(this.#prompt);
      this.#tellRows(0);
      this.#readline.prompt(true);
    }
    this.#output.write(`${csi}?25h`);
    this.#output.uncork();
  }

  setPrompt(prompt: string): void {
    this.#prompt = prompt;
  }

  async flushed(): Promise<void> {
    await written(this.#output);
  }

  end(): void {
    this.#readline.close();
  }

  close(): void {
    this.#typing = false;
    this.draw([], []);
    this.#closed = true;
    this.#release();
    this.#readline.close();
  }

  #columns(): number {
    return columnsOf(this.#output);
  }

  /**
   * How many rows the cursor is below the prompt's first one. readline keeps this in a property that it neither
   * documents nor corrects: not after somebody else moved the cursor, and not after a paste (Node 24.21).
   */
  #tellRows(prevRows: number): void {
    Object.assign(this.#readline, { prevRows });
  }

  readonly #beforeChunk = (): void => {
    if (this.#prompted) this.#tellRows(this.#readline.getCursorPos().rows);
  };

  readonly #redraw = (): void => this.draw([], this.#live);

  // The live lines leave before readline moves the cursor below the prompt, or they would stay on the screen for good.
  readonly #beforeReadline = (_text: string | undefined, key: { name?: string; ctrl?: boolean } | undefined): void => {
    const name = key?.name ?? "";
    if (["return", "enter", "tab"].includes(name) || (key?.ctrl === true && name === "l")) this.draw([], []);
  };
}

function openDumbScreen(options: ScreenOptions): Screen {
  const { output } = options;
  const readline = openReadline(options);
  let { prompt } = options;
  let prompted = false;
  let closed = false;
  readline.on("line", (line) => {
    prompted = false;
    options.onLine(line);
  });
  readline.on("close", () => {
    if (!closed) options.onEnd();
  });
  return {
    width: () => columnsOf(output) - 1,
    draw(lines) {
      if (closed || (lines.length === 0 && prompted)) return;
      output.write([...(prompted ? [""] : []), ...lines].map((line) => `${line}\n`).join("") + prompt);
      prompted = true;
    },
    setPrompt: (next) => (prompt = next),
    flushed: async () => await written(output),
    end: () => readline.close(),
    close() {
      if (!closed && prompted) output.write("\n");
      closed = true;
      readline.close();
    },
  };
}

function openReadline(options: ScreenOptions): ReturnType<typeof createInterface> {
  const readline = createInterface({
    input: options.input,
    output: options.output,
    terminal: !options.dumb,
    prompt: options.prompt,
    historySize: 500,
    removeHistoryDuplicates: true,
    completer: (line: string) => [options.complete(line), line],
  });
  // readline closes at the first Ctrl-C unless somebody listens.
  readline.on("SIGINT", options.onInterrupt);
  return readline;
}

/** A pseudo-terminal that was never given a size says 0. */
function columnsOf(output: TerminalOutput): number {
  return Math.max(output.columns || 80, 8);
}

function rowsOf(line: string, columns: number): number {
  return Math.max(1, Math.ceil(widthOf(stripVTControlCharacters(line)) / columns));
}

async function written(output: Writable): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    output.write("", (error) => (error ? reject(error) : resolve()));
  });
}

/** How text is dressed; every style gives the text back as it is when the terminal wants no colour. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  /** In the agent's own colour: the same all through a run, different for the first six agents. */
  agent(name: string, text?: string): string;
}

/** What decides about colour; from the environment, read by whoever calls. */
export interface TerminalEnv {
  readonly NO_COLOR?: string | undefined;
  readonly FORCE_COLOR?: string | undefined;
  readonly TERM?: string | undefined;
}

const agentColours = ["cyan", "magenta", "green", "yellow", "blueBright", "redBright"] as const;

/** The paint of one terminal. FORCE_COLOR decides before NO_COLOR, and both before TERM, as Node itself does it. */
export function makePaint(env: TerminalEnv): Paint {
  const forced = env.FORCE_COLOR;
  const coloured =
    forced === undefined ? !env.NO_COLOR && env.TERM !== "dumb" : !["0", "false"].includes(forced.toLowerCase());
  const given = new Map<string, (typeof agentColours)[number]>();
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    coloured && text !== "" ? styleText(format, text, { validateStream: false }) : text;
  return {
    bold: (text) => style("bold", text),
    dim: (text) => style("dim", text),
    agent(name, text = name) {
      const colour = given.get(name) ?? agentColours[given.size % agentColours.length] ?? "cyan";
      given.set(name, colour);
      return style(["bold", colour], text);
    },
  };
}

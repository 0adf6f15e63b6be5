import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { makeTerminal, type TerminalOptions } from "../../src/terminal/terminal.ts";
import { widthOf } from "../../src/terminal/text.ts";

const graphemes = new Intl.Segmenter();
const tokens = /\p{Cc}\[(\??)(\d*)(?:;\d+)*([A-Za-z])|[\r\n]|\P{Cc}+/gu;

/** What a terminal of so many columns shows after all this was written to it: its rows, the empty ones at the end away. */
export function screenOf(written: string, columns: number): string[] {
  const rows: string[][] = [[]];
  let [row, column] = [0, 0];
  const put = (text: string): void => {
    for (const { segment } of graphemes.segment(text)) {
      const width = widthOf(segment);
      if (column + width > columns) [row, column] = [row + 1, 0];
      const cells = (rows[row] ??= []);
      while (cells.length < column) cells.push(" ");
      cells.splice(column, width, segment, ...Array<string>(Math.max(0, width - 1)).fill(""));
      column += width;
    }
  };
  for (const [token, , count = "", command] of written.matchAll(tokens)) {
    const times = Number(count === "" ? 1 : count);
    if (token === "\r") column = 0;
    else if (token === "\n") [row, column] = [row + 1, 0];
    else if (command === "A") row = Math.max(0, row - times);
    else if (command === "B") row += times;
    else if (command === "G") column = times - 1;
    else if (command === "C") column += times;
    else if (command === "D") column = Math.max(0, column - times);
    else if (command === "J" || command === "K") {
      rows[row]?.splice(column);
      if (command === "J") rows.splice(row + 1);
    } else if (command === undefined) put(token);
    for (let at = 0; at <= row; at++) rows[at] ??= [];
  }
  const lines = rows.map((cells) => cells.join("").trimEnd());
  while (lines.at(-1) === "") lines.pop();
  return lines;
}

/** A terminal on streams that are held in the hand. */
export function openFake(over: Partial<TerminalOptions> & { tty?: boolean; columns?: number } = {}) {
  const { tty = true, columns = 80, ...options } = over;
  const input = Object.assign(new PassThrough(), tty ? { isTTY: true } : {});
  const output = Object.assign(new PassThrough(), tty ? { isTTY: true, columns } : {});
  const [out, err, logged]: [string[], string[], Record<string, unknown>[]] = [[], [], []];
  const errors = new PassThrough();
  output.setEncoding("utf8").on("data", (chunk: string) => out.push(chunk));
  errors.setEncoding("utf8").on("data", (chunk: string) => err.push(chunk));
  const calls = { done: 0, interrupted: 0 };
  const terminal = makeTerminal({
    input,
    output,
    errors,
    env: { NO_COLOR: "1" },
    json: false,
    maxMessageChars: 200,
    log: pino(
      { base: null },
      { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) },
    ),
    now: () => new Date(),
    onDone: () => (calls.done += 1),
    onInterrupt: () => (calls.interrupted += 1),
    ...options,
  });
  const written = (): string => out.join("");
  return {
    terminal,
    input,
    output,
    calls,
    logged,
    written,
    errors: () => err.join(""),
    screen: () => screenOf(written(), columns),
    type: async (text: string): Promise<void> => {
      input.write(text);
      await sleep(60);
    },
  };
}

/** Waits until it holds, and says so when it does not within two seconds. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 2_000; !holds(); await sleep(5)) {
    if (Date.now() > end) throw new Error(`not within 2 s: ${what}`);
  }
}

/** A signal that nothing aborts. */
export const never = new AbortController().signal;

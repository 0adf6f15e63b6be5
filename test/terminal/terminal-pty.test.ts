import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { screenOf } from "./fake-screen.ts";

interface Talk {
  readonly seen: string;
  readonly screen: string[];
  readonly exit: number | null;
  /** The steps whose text never came. */
  readonly left: readonly unknown[];
  /** The terminal was given back in the line mode it was found in. */
  readonly sane: boolean;
}

/** Talks on a pseudo-terminal made by `script`, which every Debian has; a step is what to wait for and what to type then. */
async function talk(
  columns: number,
  steps: [waitFor: string, type: string][],
  env: Record<string, string> = {},
): Promise<Talk> {
  // The size must stand before the program looks at it.
  const program = `stty rows 24 cols ${columns}; ${process.execPath} test/terminal/fixtures/talk.ts 40; code=$?; stty -a; exit $code`;
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...rest } = process.env;
  const child = spawn("script", ["-qfec", program, "/dev/null"], { env: { ...rest, TERM: "xterm-256color", ...env } });
  const left = [...steps];
  let seen = "";
  let mark = 0;
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    seen += piece;
    const found = left[0] === undefined ? -1 : seen.indexOf(left[0][0], mark);
    if (found < 0) return;
    mark = found;
    child.stdin.write(left.shift()?.[1] ?? "");
  });
  const [exit] = (await once(child, "exit", { signal: AbortSignal.timeout(20_000) })) as [number | null];
  const [said = "", modes = ""] = seen.split(/(?=speed \d+ baud)/);
  const screen = screenOf(said, columns).filter((line) => line !== "");
  return { seen: said, screen, exit, left, sane: /[^-]\bicanon\b/.test(modes) };
}

describe("on a real pseudo-terminal", () => {
  test("banner, spinner, answer, editing, and the terminal is given back", async () => {
    const { seen, exit, left, screen, sane } = await talk(80, [
      ["▸", "shorx\u007Ft\r"],
      ["Yes.", "/why\r"],
      ["Tokens", "\u0004"],
    ]);
    expect(left).toEqual([]);
    expect([exit, sane]).toEqual([0, true]);
    expect(seen).toContain("Thinking…");
    expect(screen).toContain("  Model    offline model; set GEMINI_API_KEY for Gemini");
    expect(screen).toContain("you ▸ short");
    expect(screen.slice(screen.indexOf("Ada"), screen.indexOf("Ada") + 2)).toEqual(["Ada", "  Yes."]);
    expect(seen.lastIndexOf("\u001B[?25h")).toBeGreaterThan(seen.lastIndexOf("\u001B[?25l"));
  });

  test("Ctrl-C leaves, also in the middle of an answer on a narrow terminal", async () => {
    const pasted = "a pasted line that takes more than one row";
    const { exit, left, screen } = await talk(24, [
      ["▸", "hello\r"],
      ["You said", pasted],
      ["say", "\u0003"],
    ]);
    expect([left, exit]).toEqual([[], 0]);
    expect(screen).toContain("Ada");
  });

  test("TERM=dumb gets no sequence at all", async () => {
    const { seen, exit, left } = await talk(
      80,
      [
        ["you >", "short\r"],
        ["Yes.", "/quit\r"],
      ],
      { TERM: "dumb" },
    );
    expect([left, exit]).toEqual([[], 0]);
    expect(seen).not.toContain("\u001B");
  });
});

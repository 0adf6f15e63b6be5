import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { screenOf } from "./fake-screen.ts";

const hasPython = spawnSync("python3", ["--version"]).status === 0;

async function talk(columns: number, steps: [waitFor: string, type: string][], env: Record<string, string> = {}) {
  const program = [process.execPath, "test/chat/fixtures/talk.ts", "40"];
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...rest } = process.env;
  const { stdout } = await promisify(execFile)(
    "python3",
    ["test/chat/fixtures/pseudo-terminal.py", `${columns}`, JSON.stringify(steps), ...program],
    { env: { ...rest, TERM: "xterm-256color", ...env } },
  );
  const told = JSON.parse(stdout) as { seen: string; exit: number; left: unknown[]; sane: boolean };
  return { ...told, screen: screenOf(told.seen, columns).filter((line) => line !== "") };
}

// With CI=true it runs, and fails, also where python3 is missing.
describe.skipIf(!hasPython && process.env["CI"] !== "true")(
  "on a real pseudo-terminal (needs python3: apt-get install python3)",
  () => {
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
  },
);

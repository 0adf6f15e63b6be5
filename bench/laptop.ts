import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { benchRecall } from "./recall.ts";
import { machine, percentile, ratio, residentMb, spread } from "./machine.ts";

const root = join(import.meta.dirname, "..");

/**
 * What a person on a laptop notices: how soon the prompt stands and the first answer is there, on a new data folder and on an old one; our own time
 * per turn (everything but the model, which is offline and takes next to none); recall as memory grows; resident memory.
 */
export async function benchLaptop(rounds: number): Promise<object> {
  const cold: number[] = [];
  const warm: number[] = [];
  const prompt: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const data = mkdtempSync(join(tmpdir(), "discord-agent-bench-"));
    cold.push((await converse(data, 1)).firstAnswerMs);
    warm.push((await converse(data, 1)).firstAnswerMs);
    prompt.push(await timeToPrompt(data));
    rmSync(data, { recursive: true });
  }
  const data = mkdtempSync(join(tmpdir(), "discord-agent-bench-"));
  const long = await converse(data, 300);
  rmSync(data, { recursive: true });
  const recall = await benchRecall([100, 1_000, 10_000]);
  const figures = {
    promptMs: percentile(prompt, 0.5),
    firstAnswerNewFolderMs: percentile(cold, 0.5),
    firstAnswerOldFolderMs: percentile(warm, 0.5),
    overheadMs: spread(long.turnMs.slice(50)),
    recallMs: recall,
    rssMb: long.rssMb,
  };
  const goals = {
    promptMs: 1_000,
    firstAnswerNewFolderMs: 4_000,
    firstAnswerOldFolderMs: 1_500,
    overheadP50Ms: 40,
    recallP99At10000Ms: 100,
    rssMb: 700,
  };
  const at10000 = recall.find((one) => one.memories === 10_000);
  return {
    bench: "laptop",
    rounds,
    figures,
    goals,
    ratioToGoal: {
      promptMs: ratio(figures.promptMs, goals.promptMs),
      firstAnswerNewFolderMs: ratio(figures.firstAnswerNewFolderMs, goals.firstAnswerNewFolderMs),
      firstAnswerOldFolderMs: ratio(figures.firstAnswerOldFolderMs, goals.firstAnswerOldFolderMs),
      overheadP50Ms: ratio(figures.overheadMs.p50, goals.overheadP50Ms),
      recallP99At10000Ms: ratio(at10000?.withVectors.p99 ?? Number.NaN, goals.recallP99At10000Ms),
      rssMb: ratio(figures.rssMb, goals.rssMb),
    },
    machine: machine(),
  };
}

/**
 * Runs the product piped with `lines` messages, each after the answer to the one before. A turn is measured from outside: from writing the line to
 * reading its answer, with everything in between but a language model; the first one holds the start of the process too.
 */
async function converse(data: string, lines: number) {
  const started = performance.now();
  const child = spawn(process.execPath, ["src/main.ts", "--json", "--data", data], {
    cwd: root,
    env: { PATH: process.env.PATH ?? "", HEALTH_CHECK_PORT: "0", LOG_LEVEL: "silent" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const turnMs: number[] = [];
  let asked = started;
  let rssMb = 0;
  const say = () => {
    asked = turnMs.length === 0 ? started : performance.now();
    child.stdin.write(`My cat number ${turnMs.length} is called Mochi${turnMs.length}.\n`);
  };
  say();
  for await (const _ of createInterface({ input: child.stdout })) {
    turnMs.push(performance.now() - asked);
    if (turnMs.length < lines) {
      say();
      continue;
    }
    rssMb = residentMb(child.pid);
    child.stdin.end();
  }
  if (child.exitCode === null) await once(child, "exit");
  return { turnMs, firstAnswerMs: Math.round(turnMs[0] ?? Number.NaN), rssMb };
}

/** From the start of the process to a prompt that takes typing, on a pseudo-terminal that `script` (util-linux) makes. */
async function timeToPrompt(data: string): Promise<number> {
  const started = performance.now();
  const command = `${process.execPath} src/main.ts --data ${data}`;
  const child = spawn("script", ["-qfec", command, "/dev/null"], {
    cwd: root,
    env: { PATH: process.env.PATH ?? "", TERM: "xterm", HEALTH_CHECK_PORT: "0" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let seen = "";
  let ms = Number.NaN;
  for await (const chunk of child.stdout) {
    seen += String(chunk);
    if (!Number.isNaN(ms) || !seen.includes("you")) continue;
    ms = Math.round(performance.now() - started);
    child.stdin.write("/quit\n");
  }
  return ms;
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { startBot } from "../failure/bot.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder.remove());

it("a terminal's first answer waits for no library of Discord's, Redis's or Kubernetes's", async () => {
  const list = join(folder.path, "loaded");
  // Whether it is imported or required.
  const tell = `import{registerHooks}from"node:module";import{appendFileSync}from"node:fs";registerHooks({load(url,context,next){appendFileSync(${JSON.stringify(list)},url+"\\n");return next(url,context)}})`;
  const bot = startBot(
    folder.path,
    { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tell)}` },
    ["--json"],
    [join(import.meta.dirname, "..", "..", "src", "main.ts")],
  );
  bot.say("Hello");
  bot.end();
  expect(await bot.exited).toBe(0);
  const files = (await readFile(list, "utf8")).split("\n");
  const packages = new Set(files.map((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]));
  for (const name of ["pg", "@langchain/langgraph"]) expect(packages).toContain(name);
  for (const name of ["discord.js", "@discordjs/ws", "ioredis", "@kubernetes/client-node"])
    expect(packages).not.toContain(name);
});

import { existsSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { startBot } from "./bot.ts";
import { runToEnd } from "./process.ts";

const misconfigured = 78;
const root = join(import.meta.dirname, "..", "..");

describe("a process that is told something wrong", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  const data = () => join(folder.path, "data");
  const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    runToEnd(["--data", data(), ...args], { cwd: root, env });
  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(async () => {
    await folder.remove();
  });

  it.each(["-1", "0"])(
    "names every variable that is wrong, one line each, and starts nothing (a pool of %s)",
    async (size) => {
      const wrong = { HEALTH_CHECK_PORT: "abc", LOG_LEVEL: "loud", POSTGRES_POOL_MAX_SIZE: size };
      const { code, stdout, stderr } = await run([], wrong);
      expect(code).toBe(misconfigured);
      expect(stderr).toHaveLength(3);
      for (const [name, value] of Object.entries(wrong)) {
        const lines = stderr.filter((line) => line.includes(name));
        expect(lines, name).toHaveLength(1);
        expect(lines[0]).toContain(`"${value}"`);
        expect(lines[0], "a remedy").toMatch(/ Set .+/);
      }
      expect(stdout).toBe("");
      expect(existsSync(data()), "the data folder was made").toBe(false);
    },
  );

  it("says in one sentence that production needs a token of Discord", async () => {
    const { code, stdout, stderr } = await run([], { ENVIRONMENT: "production" });
    expect(code).toBe(misconfigured);
    expect(stderr).toHaveLength(1);
    expect(stderr[0]).toMatch(/^DISCORD_TOKEN: .+ Set it/);
    expect(stdout).toBe("");
    expect(existsSync(data())).toBe(false);
  });

  it("never repeats a token that is wrong", async () => {
    const { code, stderr } = await run([], { DISCORD_TOKEN: "Bot canary" });
    expect(code).toBe(misconfigured);
    expect(stderr).toHaveLength(1);
    expect(stderr[0]).toMatch(/^DISCORD_TOKEN: /);
    expect(stderr[0]).not.toContain("canary");
  });

  it.each([
    [["--colour"], "--colour"],
    [["--data"], "--data"],
    [["serve"], "serve"],
    [["validate"], "validate"],
  ])("refuses the arguments %j in one line that names them", async (args, named) => {
    const { code, stdout, stderr } = await runToEnd(args, { cwd: folder.path });
    expect(code).toBe(misconfigured);
    expect(stderr).toHaveLength(1);
    expect(stderr[0]).toContain(named);
    expect(stdout).toBe("");
    expect(await readdir(folder.path), "something was started").toEqual([]);
  });

  it("says which agents file is missing, and leaves", async () => {
    const { code, stdout, stderr } = await run(["--agents", join(folder.path, "nobody.yaml")]);
    expect(code).toBe(misconfigured);
    const sentences = stderr.filter((line) => !line.startsWith("{"));
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toContain("nobody.yaml");
    expect(stdout).toBe("");
  });

  it("validate names the file, the line and the field of a fault, and finds none in the agents of this project", async () => {
    const path = join(folder.path, "broken.yaml");
    const lines = [
      "apiVersion: discord-agent.dev/v1alpha1",
      "kind: Agent",
      "metadata:",
      "  name: mira",
      "spec:",
      "  displayName: Mira",
      "  description: Plans.",
      "  default: maybe",
      "  prompt: You are Mira.",
    ];
    await writeFile(path, `${lines.join("\n")}\n`);
    const broken = await runToEnd(["validate", path], { cwd: folder.path });
    expect(broken.code).toBe(misconfigured);
    expect(broken.stderr).toHaveLength(1);
    expect(broken.stderr[0]).toContain("broken.yaml:8");
    expect(broken.stderr[0]).toContain("default");
    expect(broken.stdout).toBe("");

    const good = await runToEnd(["validate", join(root, "agents.yaml")], { cwd: folder.path });
    expect(good).toEqual({ code: 0, stdout: "3 agents, no faults\n", stderr: [] });
    expect(await readdir(folder.path), "validate started something").toEqual(["broken.yaml"]);
  });

  it("a second process on one data folder names the first one's pid and leaves it alone", async () => {
    const first = startBot(data());
    first.say("Hello");
    await vi.waitFor(() => expect(first.answers).toHaveLength(1), { timeout: 60_000 });
    const { code, stdout, stderr } = await run(["--json"]);
    expect(code).toBe(misconfigured);
    const sentences = stderr.filter((line) => !line.startsWith("{"));
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toContain(`in use by process ${first.pid}.`);
    expect(stdout).toBe("");

    first.say("Still there?");
    first.end();
    expect(await first.exited).toBe(0);
    expect(first.answers).toHaveLength(2);
    const next = await run(["--json"]);
    expect(next.code, "the folder is free again").toBe(0);
  });
});

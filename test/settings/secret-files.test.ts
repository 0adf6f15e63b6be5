import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Misconfigured } from "../../src/errors.ts";
import { readSecretFiles, watchSecretFiles } from "../../src/settings/secret-files.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { ready, startDiscordBot } from "../failure/discord-bot.ts";
import { runToEnd, type Watched } from "../failure/process.ts";
import { startDiscordSimulator, type DiscordSimulator } from "../simulators/discord/simulator.ts";

describe("a folder of secrets", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let secrets: string;
  beforeEach(async () => {
    folder = await temporaryFolder();
    secrets = join(folder.path, "secrets");
    await mkdir(secrets);
  });
  afterEach(() => folder.remove());

  /** As the kubelet does it: the files are links into a folder that is exchanged in one step. */
  const mount = async (version: string, values: Readonly<Record<string, string>>) => {
    await mkdir(join(secrets, `..${version}`));
    for (const [name, value] of Object.entries(values)) {
      await writeFile(join(secrets, `..${version}`, name), value);
      await rm(join(secrets, name), { force: true });
      await symlink(join("..data", name), join(secrets, name));
    }
    await symlink(`..${version}`, join(secrets, "..data_tmp"));
    await rename(join(secrets, "..data_tmp"), join(secrets, "..data"));
  };

  it("gives the files that are named like variables, without the line's end, and nothing else", async () => {
    await mount("v1", { GEMINI_API_KEY: "key\n", DISCORD_TOKEN_MIRA: "token" });
    await writeFile(join(secrets, "readme.txt"), "no variable");
    expect(readSecretFiles(secrets)).toEqual({ GEMINI_API_KEY: "key", DISCORD_TOKEN_MIRA: "token" });
  });

  it("that is not there ends the start with one sentence, exit 78", async () => {
    expect(() => readSecretFiles(join(secrets, "nowhere"))).toThrow(Misconfigured);
    const env = { SECRETS_DIR: join(secrets, "nowhere") };
    const { code, stderr } = await runToEnd([], { cwd: folder.path, env });
    expect([code, stderr]).toEqual([
      78,
      [expect.stringMatching(/^SECRETS_DIR: .* is not there\. Mount the Secret there/)],
    ]);
  });

  it("with something that cannot be read says which", async () => {
    await mkdir(join(secrets, "REDIS_URL"));
    expect(() => readSecretFiles(secrets)).toThrow(/REDIS_URL cannot be read \(EISDIR\)/);
  });

  describe("that is watched", () => {
    const onChange = vi.fn();
    const log = pino({ level: "silent" });
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
      onChange.mockClear();
    });
    afterEach(() => vi.useRealTimers());
    const watch = async (given: Readonly<Record<string, string>>) => {
      const watching = watchSecretFiles({ folder: secrets, given, onChange, log });
      await watching.start(new AbortController().signal, () => {});
      return watching;
    };

    it("and was exchanged after it was read and before it is watched is told of, once", async () => {
      await mount("v1", {});
      const given = readSecretFiles(secrets);
      await mount("v2", { DISCORD_TOKEN: "came in between" });
      const watching = await watch(given);
      vi.advanceTimersByTime(20_000);
      expect(onChange).toHaveBeenCalledTimes(1);
      await watching.stop(new AbortController().signal);
    });

    it("and is away when the watch begins is watched once it is back", async () => {
      await mount("v1", { DISCORD_TOKEN: "one" });
      const given = readSecretFiles(secrets);
      await rename(secrets, `${secrets}-away`);
      const watching = await watch(given);
      vi.advanceTimersByTime(10_000);
      await rename(`${secrets}-away`, secrets);
      vi.advanceTimersByTime(10_000);
      expect(onChange).not.toHaveBeenCalled();
      await mount("v2", { DISCORD_TOKEN: "two" });
      vi.advanceTimersByTime(5_000);
      expect(onChange).toHaveBeenCalledTimes(1);
      await watching.stop(new AbortController().signal);
    });
  });

  describe("of a bot that runs", () => {
    let discord: DiscordSimulator;
    let bot: Watched | null = null;
    beforeEach(async () => {
      discord = await startDiscordSimulator();
    });
    afterEach(async () => {
      bot?.kill("SIGKILL");
      await bot?.exited;
      await discord.close();
    });

    it("gives it its token, and ends it in order when the token is exchanged", async () => {
      await mount("v1", { DISCORD_TOKEN: "sim-reception-token-0000" });
      const env = { DISCORD_TOKEN: "", SECRETS_DIR: secrets };
      bot = startDiscordBot(discord, { data: folder.path, env });
      await ready(bot);
      await mount("v2", { DISCORD_TOKEN: "sim-another-token-1111" });
      expect(await bot.exited).toBe(0);
      expect(bot.log.find(({ component }) => component === "secrets")).toMatchObject({ names: ["DISCORD_TOKEN"] });
      expect(JSON.stringify(bot.log)).not.toMatch(/another-token/);
    });
  });
});

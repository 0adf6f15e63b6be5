import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { startWatched, type Watched } from "../failure/process.ts";

const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "operations", "health-checks.md"), "utf8");

/** The reply that the page shows under this word. */
function shown(word: string): string {
  const [, reply] = new RegExp(`^\`\`\`\\w+ ${word}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(page) ?? [];
  if (reply === undefined) throw new Error(`the page shows no reply called ${word}`);
  return reply;
}

/** Every key of an object by its path, in order. */
function keysOf(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => [`${path}/${key}`, ...keysOf(inner, `${path}/${key}`)]);
}

describe("the replies that docs/operations/health-checks.md shows are those of a bot in a terminal", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let bot: Watched;
  const ask = async (path: string) => (await bot.get(path)).text();
  beforeAll(async () => {
    folder = await temporaryFolder();
    bot = startWatched(folder.path, {});
    bot.say("My cat is called Miso.", "What is my cat called?");
    await vi.waitFor(() => expect(bot.answers).toHaveLength(2), { timeout: 60_000, interval: 50 });
  }, 70_000);
  afterAll(async () => {
    bot.kill("SIGKILL");
    await bot.exited;
    await folder.remove();
  });

  it.each([
    ["live", "/health/live"],
    ["ready", "/health/ready"],
    ["status", "/status"],
    ["error", "/nothing"],
  ])("%s, whole", async (word, path) => {
    expect(keysOf(JSON.parse(shown(word)))).toEqual(keysOf(JSON.parse(await ask(path))));
  });

  it("health, without the parts that look alike", async () => {
    const health = JSON.parse(shown("health")) as { components: object };
    const keys = keysOf(JSON.parse(await ask("/health")));
    const parts = Object.keys(health.components);
    const isShown = (key: string) => {
      const [, , part] = key.split("/");
      return part === undefined || parts.includes(part);
    };
    expect(keysOf(health)).toEqual(keys.filter(isShown));
  });

  it("metrics, some of them", async () => {
    const withoutValues = (text: string) => text.split("\n").map((line) => line.replace(/ [\d.e+-]+$/, ""));
    const wanted = withoutValues(shown("metrics"));
    expect(wanted.length).toBeGreaterThan(20);
    // A turn is counted a moment after its answer is out.
    await vi.waitFor(
      async () => {
        const text = await ask("/metrics");
        const real = new Set(withoutValues(text));
        expect(wanted.filter((line) => !real.has(line))).toEqual([]);
        expect(page).toContain(`of the ${[...text.matchAll(/^# TYPE /gm)].length} metrics`);
      },
      { timeout: 10_000, interval: 100 },
    );
  });

  it("status, with a sentence for every key", async () => {
    const [, table = ""] = page.split("| Key of `/status` |");
    const explained = [...table.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, key = ""]) => key),
    );
    const keys = Object.keys(JSON.parse(await ask("/status")) as object);
    expect(explained).toEqual(expect.arrayContaining(keys.filter((key) => key !== "timestamp")));
  });
});

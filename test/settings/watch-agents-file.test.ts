import { mkdtempSync, mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Misconfigured } from "../../src/errors.ts";
import { makeLogger } from "../../src/log.ts";
import { watchAgentsFile } from "../../src/settings/file-settings.ts";
import type { Settings } from "../../src/settings/settings.ts";
import { manifest } from "./manifests.ts";

let folder = "";
let path = "";
let lines: { msg: string; level: string; [field: string]: unknown }[] = [];
let settings: Settings;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "settings-"));
  path = join(folder, "agents.yaml");
  lines = [];
});
afterEach(async () => {
  await settings?.stop(AbortSignal.timeout(1_000));
  rmSync(folder, { recursive: true });
});

async function watch(target = path): Promise<Settings> {
  const log = makeLogger("info", { write: (line: string) => void lines.push(JSON.parse(line)) });
  settings = watchAgentsFile(target, log);
  await settings.start(AbortSignal.timeout(5_000), (error) => {
    throw error;
  });
  return settings;
}

const names = () => settings.current().agents.map(({ name }) => name);
const prompts = () => settings.current().agents.map(({ prompt }) => prompt);

it("the very next look sees an edit, however the file was changed", async () => {
  writeFileSync(path, manifest("a"));
  await watch();
  const { revision } = settings.current();
  // Same size, same moment: nothing but the content tells them apart.
  for (const name of ["b", "c", "d", "e"]) {
    writeFileSync(path, manifest(name));
    expect(names()).toEqual([name]);
  }
  writeFileSync(`${path}.new`, manifest("f"));
  renameSync(`${path}.new`, path);
  expect(names()).toEqual(["f"]);
  rmSync(path);
  expect(names()).toEqual(["f"]);
  expect(settings.refused()[0]?.problem).toBe("is not there");
  writeFileSync(path, manifest("g"));
  expect(names()).toEqual(["g"]);
  expect(settings.refused()).toEqual([]);
  expect(settings.current().revision).not.toBe(revision);
});

it("an edit that keeps size and modification time is seen after the file had settled", async () => {
  const past = new Date(Date.now() - 60_000);
  writeFileSync(path, manifest("a"));
  utimesSync(path, past, past);
  await watch();
  // Until the time of the last change (which nobody can set) is old enough to be trusted.
  const settled = performance.now() + 200;
  await vi.waitFor(() => expect(performance.now()).toBeGreaterThan(settled), { timeout: 2_000 });
  expect(names()).toEqual(["a"]);
  writeFileSync(path, manifest("b"));
  utimesSync(path, past, past);
  expect(names()).toEqual(["b"]);
});

it("a turn keeps the snapshot it began with, and equal content is the same snapshot", async () => {
  writeFileSync(path, manifest("a"));
  await watch();
  const begun = settings.current();
  writeFileSync(path, `# a comment\n${manifest("a")}`);
  expect(settings.current()).toBe(begun);
  writeFileSync(path, manifest("b"));
  expect(settings.current()).not.toBe(begun);
  expect(begun.agents[0]?.name).toBe("a");
});

it("one log line says what changed, without a message coming in", async () => {
  writeFileSync(path, manifest("a") + manifest("b"));
  await watch();
  writeFileSync(path, manifest("b").replace("does", "did") + manifest("c"));
  await vi.waitFor(() => expect(lines.at(-1)?.msg).toBe("the agents changed"), { timeout: 5_000 });
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatchObject({
    added: ["c"],
    removed: ["a"],
    changed: ["b"],
    revision: settings.current().revision,
  });
});

it("a broken edit changes nothing, is told once with its line, and healing is told too", async () => {
  writeFileSync(path, manifest("a"));
  await watch();
  const good = settings.current();
  writeFileSync(path, manifest("a", "handoffs: [nobody]"));
  expect(settings.current()).toBe(good);
  expect(settings.refused()).toMatchObject([{ where: `${path}:9 spec.handoffs[0]` }]);
  expect(await settings.check?.(AbortSignal.timeout(500))).toMatchObject({
    status: "degraded",
    details: { refused: 1 },
  });
  await vi.waitFor(() => expect(lines.at(-1)).toMatchObject({ level: "error", faults: settings.refused() }), {
    timeout: 5_000,
  });
  settings.current();
  expect(lines.filter(({ level }) => level === "error")).toHaveLength(1);
  writeFileSync(path, manifest("a"));
  expect(await settings.check?.(AbortSignal.timeout(500))).toMatchObject({
    status: "healthy",
    details: { refused: 0 },
  });
  await vi.waitFor(() => expect(lines.at(-1)?.msg).toBe("the agents are good again"), { timeout: 5_000 });
});

it("a folder is followed: files come and go, and prompts in files change", async () => {
  writeFileSync(join(folder, "a.yaml"), manifest("a").replace(/prompt: .*/, "promptFrom: {file: ../prompt.md}"));
  mkdirSync(join(folder, "agents"));
  renameSync(join(folder, "a.yaml"), join(folder, "agents", "a.yaml"));
  writeFileSync(join(folder, "prompt.md"), "First.");
  await watch(join(folder, "agents"));
  expect(prompts()).toEqual(["First."]);
  writeFileSync(join(folder, "prompt.md"), "Other.");
  expect(prompts()).toEqual(["Other."]);
  writeFileSync(join(folder, "agents", "b.yml"), manifest("b"));
  expect(names()).toEqual(["a", "b"]);
  rmSync(join(folder, "agents", "a.yaml"));
  expect(names()).toEqual(["b"]);
  rmSync(join(folder, "agents"), { recursive: true });
  expect(names()).toEqual(["b"]);
  expect(settings.refused()).toHaveLength(1);
});

it("does not start without a good first state, and says every fault", async () => {
  writeFileSync(path, manifest("a", "handoffs: [x, z]"));
  const refusal = await watch().catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(Misconfigured);
  expect((refusal as Misconfigured).faults).toHaveLength(2);
  expect(() => settings.current()).toThrow("before they were started");
});

import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseManifests } from "../../src/settings/agents-yaml.ts";
import { loadAgents, validateFiles } from "../../src/settings/agents-file.ts";
import { manifest } from "./manifests.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "agents-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(text: string | Buffer, name = "agents.yaml"): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function defaults(text: string): string[] {
  const { agents } = loadAgents([write(text)]);
  return agents.filter((agent) => agent.isDefault).map(({ name }) => name);
}

/** The faults of one manifest file, without the folder in front. */
function faultsOf(text: string | Buffer): string[] {
  return loadAgents([write(text)]).faults.map(({ where, problem, remedy }) =>
    `${where}: ${problem}. ${remedy}`.replaceAll(`${folder}/`, ""),
  );
}

describe("the agents.yaml of the project", () => {
  it("holds three agents that know each other, with one default", () => {
    const { agents, faults } = loadAgents(["agents.yaml"]);
    expect(faults).toEqual([]);
    expect(agents.map(({ name, isDefault }) => [name, isDefault])).toEqual([
      ["mira", true],
      ["teo", false],
      ["juno", false],
    ]);
    for (const agent of agents) expect(agent.handoffs).toHaveLength(2);
  });
});

describe("a manifest", () => {
  it("gets its defaults filled in", () => {
    const { agents } = loadAgents([write(manifest("a"))]);
    expect(agents).toEqual([
      {
        name: "a",
        displayName: "A",
        description: "does a",
        prompt: "You are a.",
        isDefault: true,
        model: { name: null, temperature: null, maxOutputTokens: null },
        channels: { allow: [], deny: [], weights: {} },
        triggers: { mention: true, keywords: [] },
        voice: { webhook: null },
        memory: { recall: true, scope: "guild" },
        budget: { maxTokensPerTurn: null, dailyTokens: null, timeoutSeconds: null },
        handoffs: [],
      },
    ]);
  });

  it("makes the first agent the default unless another says so", () => {
    expect(defaults(manifest("a") + manifest("b"))).toEqual(["a"]);
    expect(defaults(manifest("a") + manifest("b", "default: true"))).toEqual(["b"]);
  });

  it("keeps a channel id that stands as a key to the last digit", () => {
    const { agents } = loadAgents([write(manifest("a", "channels: {weights: {123456789012345678: 0.5}}"))]);
    expect(agents[0]?.channels.weights).toEqual({ "123456789012345678": 0.5 });
  });

  it("may come from kubectl get -o yaml, alone or as a List, with status and empty keys", () => {
    const fromCluster = `apiVersion: v1
kind: List
items:
- apiVersion: discord-agent.dev/v1alpha1
  kind: Agent
  metadata: {name: a, namespace: bots, uid: x, resourceVersion: "7", generation: 2, labels: {}, managedFields: []}
  spec: {displayName: A, description: does a, prompt: You are a., budget: null}
  status: {conditions: []}
metadata: {resourceVersion: ""}
`;
    expect(validateFiles([write(fromCluster)])).toEqual({ agents: 1, faults: [] });
    expect(faultsOf(fromCluster.replace("displayName", "dispalyName"))).toContain(
      "agents.yaml:7 items[0].spec.dispalyName: is not a field of spec. Did you mean displayName?",
    );
  });

  it("may have a bot of its own, whose token is no part of it", () => {
    const text = manifest("a", "voice: {tokenFrom: {secretKeyRef: {name: discord-agent, key: DISCORD_TOKEN_A}}}");
    expect(faultsOf(text)).toEqual([]);
  });

  it("may keep its prompt in a file beside it", () => {
    mkdirSync(join(folder, "prompts"));
    write("You are from a file.\n", "prompts/a.md");
    const text = manifest("a").replace(/prompt: .*/, "promptFrom: {file: prompts/a.md}");
    expect(loadAgents([write(text)]).agents[0]?.prompt).toBe("You are from a file.");
  });
});

describe("a fault names its line, its field and a remedy", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      "a typo",
      manifest("a", "promtFrom: {file: x}"),
      "agents.yaml:9 spec.promtFrom: is not a field of spec. Did you mean promptFrom?",
    ],
    [
      "a typo further in",
      manifest("a", "triggers: {keyword: [x]}"),
      "agents.yaml:9 spec.triggers.keyword: is not a field of spec.triggers. Did you mean keywords?",
    ],
    [
      "a missing field",
      manifest("a").replace(/ {2}description.*\n/, ""),
      "agents.yaml:5 spec.description: is missing. Add spec.description: what it is good at, for the supervisor to choose by",
    ],
    [
      "a number for text",
      manifest("a", "channels: {allow: [123]}"),
      "agents.yaml:9 spec.channels.allow[0]: is a number where text is expected. Put it in quotes",
    ],
    [
      "a weight out of range",
      manifest("a", "channels: {weights: {dev: 2}}"),
      "agents.yaml:9 spec.channels.weights.dev: is more than 1. Give spec.channels.weights.dev: a number from 0 to 1",
    ],
    [
      "no prompt",
      manifest("a").replace(/ {2}prompt: .*\n/, ""),
      "agents.yaml:5 spec.prompt: is missing. Add spec.prompt: who the agent is and how it answers; or spec.promptFrom",
    ],
    [
      "two prompts",
      manifest("a", "promptFrom: {file: x}"),
      "agents.yaml:9 spec.promptFrom: stands beside prompt. Keep one of the two",
    ],
    [
      "a prompt file that is missing",
      manifest("a").replace(/prompt: .*/, "promptFrom: {file: gone.md}"),
      "agents.yaml:8 spec.promptFrom.file: gone.md is not there. Check the path, or create the file",
    ],
    [
      "a ConfigMap",
      manifest("a").replace(/prompt: .*/, "promptFrom: {configMapKeyRef: {name: x, key: k}}"),
      "agents.yaml:8 spec.promptFrom.configMapKeyRef: names a ConfigMap, which only a cluster has. Write the prompt into spec.prompt, or into a file for promptFrom.file",
    ],
    [
      "a webhook with a picture that is not served safely",
      manifest("a", "voice: {webhook: {avatarUrl: http://x/y.png}}"),
      "agents.yaml:9 spec.voice.webhook.avatarUrl: has another form than expected. Give spec.voice.webhook.avatarUrl: the https address of its picture",
    ],
    [
      "a hand-off to nobody",
      manifest("anna") + manifest("bert", "handoffs: [ana]"),
      "agents.yaml:17 spec.handoffs[0]: there is no agent ana. Did you mean anna?",
    ],
    [
      "a hand-off to itself",
      manifest("a", "handoffs: [a]"),
      "agents.yaml:9 spec.handoffs[0]: a would hand a message to itself. Remove it",
    ],
    [
      "two with one name",
      manifest("a") + manifest("a"),
      "agents.yaml:12 metadata.name: a is the name of another agent too, at agents.yaml:4 metadata.name. Give each agent a name of its own",
    ],
    [
      "two defaults",
      manifest("a", "default: true") + manifest("b", "default: true"),
      "agents.yaml:18 spec.default: b is a second default agent; a is one already. Keep default: true on one agent alone",
    ],
    [
      "another kind",
      "kind: ConfigMap\napiVersion: v1\nspec: {}\n",
      'agents.yaml:1 kind: is "ConfigMap". Keep Agent manifests alone in this place',
    ],
    [
      "another version",
      manifest("a").replace("v1alpha1", "v2"),
      'agents.yaml:2 apiVersion: is "discord-agent.dev/v2". Give apiVersion: discord-agent.dev/v1alpha1',
    ],
    [
      "a name of another form",
      manifest("Mira"),
      "agents.yaml:4 metadata.name: has another form than expected. Give metadata.name: a name of at most 63 lower-case letters, digits and inner dashes",
    ],
    [
      "broken YAML",
      `${manifest("a")}  handoffs: [b\n`,
      "agents.yaml:10: is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]. Look at this line and the one above it: indentation, quotes, brackets, a key written twice",
    ],
    [
      "no agent",
      "# nothing yet\n---\n",
      "agents.yaml: holds no agent. Write at least one Agent manifest, as in the agents.yaml of the project",
    ],
    [
      "not a mapping",
      "Hello.\n",
      "agents.yaml:1: is text where a mapping is expected. Begin with apiVersion: discord-agent.dev/v1alpha1 and kind: Agent",
    ],
  ];
  it.each(cases)("%s", (_name, text, fault) => expect(faultsOf(text)).toEqual([fault]));

  it.each([
    [
      "two voices",
      "voice: {shared: true, webhook: {}}",
      "spec.voice: names more than one voice. Keep one of tokenFrom, webhook and shared",
    ],
    [
      "a picture without //",
      "voice: {webhook: {avatarUrl: 'https:x.example'}}",
      "spec.voice.webhook.avatarUrl: has another form than expected. Give spec.voice.webhook.avatarUrl: the https address of its picture",
    ],
  ])("%s", (_name, field, fault) => expect(faultsOf(manifest("a", field))).toEqual([`agents.yaml:9 ${fault}`]));

  it("and all faults of all documents come at once", () => {
    const text =
      manifest("a", "handoffs: [x]") +
      manifest("B", "voice: {webhook: {avatarUrl: http://x/y.png}}") +
      "---\noops: [\n";
    expect(faultsOf(text).map((fault) => fault.split(": ")[0])).toEqual([
      "agents.yaml:13 metadata.name",
      "agents.yaml:18 spec.voice.webhook.avatarUrl",
      "agents.yaml:21",
      "agents.yaml:9 spec.handoffs[0]",
    ]);
  });
});

describe("a file that is none", () => {
  it.each([
    ["not UTF-8", Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe]), "agents.yaml: is not UTF-8. Save it as UTF-8"],
    ["over 1 MB", "#".repeat(1_048_577), "agents.yaml: is larger than 1 MB. Split it; one agent a file is good"],
  ])("%s", (_name, text, fault) => expect(faultsOf(text)).toEqual([fault]));

  it("an alias bomb", () => {
    const lists = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(", ")}]`);
    expect(faultsOf(["l0: &l0 [x]", ...lists].join("\n"))[0]).toMatch(
      /^agents.yaml: cannot be read as YAML \(Excessive alias/,
    );
  });

  it("a nesting without end", () => expect(faultsOf("[".repeat(200_000)).length).toBeGreaterThan(0));

  it("nothing but faults", () => expect(faultsOf(`[${"y,".repeat(150_000)}]`).length).toBeGreaterThan(150_000));

  it("a missing file and an empty folder", () => {
    expect(validateFiles([join(folder, "none.yaml")]).faults[0]?.problem).toBe("is not there");
    expect(validateFiles([folder]).faults[0]?.problem).toBe("holds no agent");
  });
});

it("a folder is read in the order of its file names, and hand-offs reach across files", () => {
  write(manifest("b", "handoffs: [a]"), "2.yml");
  write(manifest("a", "handoffs: [b]"), "1.yaml");
  write("not a manifest", "notes.txt");
  write("not: a manifest", ".hidden.yaml");
  expect(loadAgents([folder])).toMatchObject({ faults: [], agents: [{ name: "a" }, { name: "b" }] });
});

it("whatever is in a file, reading it never throws", () => {
  const fragment = fc.constantFrom(
    "---\n",
    "kind: Agent\n",
    "spec:\n",
    "  prompt: x\n",
    "items:\n",
    "- ",
    "&a ",
    "*a\n",
    "? ",
    "<<: *a\n",
    "null\n",
    "metadata: {name: a}\n",
    "!!binary ",
    "%YAML 1.1\n",
  );
  const text = fc.array(fc.oneof(fragment, fc.string({ unit: "binary", maxLength: 5 }))).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, (yaml) => {
      for (const fault of parseManifests("f", yaml).faults)
        expect(`${fault.problem}${fault.remedy}`).not.toContain("undefined");
    }),
    { numRuns: 1_000 },
  );
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { agentsIn } from "../../cdk8s/agents-text.ts";
import { validateFiles } from "../../src/settings/agents-file.ts";
import { kubectl, mustKubectl, noCluster } from "./kubectl.ts";

const reason = noCluster();
const namespace = `crd-test-${process.pid}`;
const elsewhere = `${namespace}-elsewhere`;

const good = { displayName: "Mira", description: "Plans", prompt: "You are Mira." };

const agent = (spec: object, name = "mira") =>
  JSON.stringify({ apiVersion: "discord-agent.dev/v1alpha1", kind: "Agent", metadata: { name, namespace }, spec });

/** As a person writes it; each field is a line of the spec. */
const written = (...fields: readonly string[]) =>
  ["apiVersion: discord-agent.dev/v1alpha1", "kind: Agent", `metadata: {name: mira, namespace: ${namespace}}`, "spec:"]
    .concat(["description: Plans", "prompt: You are Mira.", ...fields].map((field) => `  ${field}`))
    .join("\n");

const refused: readonly (readonly [string, string, string])[] = [
  ["no prompt at all", agent({ ...good, prompt: undefined }), "add spec.prompt"],
  [
    "two sources of a prompt",
    agent({ ...good, promptFrom: { configMapKeyRef: { name: "prompts", key: "mira" } } }),
    "keep one of the two",
  ],
  [
    "a file as prompt",
    agent({ ...good, prompt: undefined, promptFrom: { file: "mira.md" } }),
    "kubectl create configmap",
  ],
  ["a promptFrom that names nothing", agent({ ...good, prompt: undefined, promptFrom: {} }), "add configMapKeyRef"],
  ["a prompt of spaces", agent({ ...good, prompt: " \n " }), "nothing but spaces"],
  ["a display name of spaces", agent({ ...good, displayName: "  " }), "write the name people see"],
  ["a description of spaces", agent({ ...good, description: "  " }), "what the agent is good at"],
  ["an agent that hands off to itself", agent({ ...good, handoffs: ["teo", "mira"] }), "remove its own name"],
  ["two voices", agent({ ...good, voice: { shared: true, webhook: {} } }), "keep one of tokenFrom"],
  ["an avatar without TLS", agent({ ...good, voice: { webhook: { avatarUrl: "http://a.example" } } }), "https address"],
  ["an avatar that is no address", agent({ ...good, voice: { webhook: { avatarUrl: "mira.png" } } }), "https address"],
  ["a name with a dot", agent(good, "mira.example"), "rename the agent"],
  ["a name that is too long", agent(good, "m".repeat(64)), "rename the agent"],
  ["a field that does not exist", agent({ ...good, promt: "x" }), 'unknown field "spec.promt"'],
  ["a temperature that is too hot", agent({ ...good, model: { temperature: 3 } }), "less than or equal to 2"],
  ["a hand-off to no name", agent({ ...good, handoffs: ["Teo!"] }), "spec.handoffs[0]"],
  ["On as a name", written("displayName: On"), 'must be of type string: "boolean"'],
  ["words that mean true", written("displayName: M", "triggers: {keywords: [yes, y]}"), 'type string: "boolean"'],
  ["words that mean false", written("displayName: M", "triggers: {keywords: [no, off, n]}"), 'type string: "boolean"'],
  ["a number with underscores", written("displayName: M", "triggers: {keywords: [1_000]}"), 'type string: "integer"'],
];

/** Whether `discord-agent validate` has nothing against a manifest. */
function isValidOffline(manifest: string): boolean {
  const folder = mkdtempSync(join(tmpdir(), "discord-agent-validate-"));
  try {
    writeFileSync(join(folder, "agent.yaml"), manifest);
    return validateFiles([folder]).faults.length === 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const reference = { name: "prompts", key: "mira.md" };
/** Every field once, so that each can be made wrong. */
const full = {
  ...good,
  default: false,
  model: { name: "gemini-x", temperature: 1, maxOutputTokens: 100 },
  channels: { allow: ["dev"], deny: ["random"], weights: { dev: 0.5 } },
  triggers: { mention: true, keywords: ["plan"] },
  voice: { webhook: { avatarUrl: "https://example.org/mira.png" } },
  memory: { recall: true, scope: "guild" },
  budget: { maxTokensPerTurn: 100, dailyTokens: 1_000, timeoutSeconds: 60 },
};
const bases = [
  full,
  { ...full, prompt: undefined, promptFrom: { configMapKeyRef: reference } },
  { ...full, voice: { tokenFrom: { secretKeyRef: reference } } },
];
const strangeAddresses = [
  "https://example.org",
  "https:example.org",
  "HTTPS://example.org",
  "https://",
  "https:///x",
  "https://?x",
  "https://example.org/100%.png",
  "https://example.org/%7e.png?a=%zz",
  "https://a\\b.org/x.png",
  "https://a b.org",
  "https://x:99999/",
  "https://x:65536",
  "https://x:65535",
  "https://x:8443/a#b",
  "https://x:/",
  "https://x:y",
  "https://me@x.org/",
  "https://[::1]/",
  "https://[::1",
  "https://bücher.example/ü.png",
  "https://x.org/a b.png",
  "https://x.org/a\nb.png",
  "https://x.org/\\",
  "https://x.org?y",
  "https://999.1.1.1",
  "https://x^y.org",
];
const strangeTexts = ["", " ", "x", "X_y", "a.b", "x".repeat(300), ...strangeAddresses];
const strangeNumbers = [0, 1, -1, 0.5, 3, 1e9, 1e9 + 1];
const strangeRest = [true, false, [], ["x"], [""], [1], {}, { x: 1 }, { x: 0.5 }, reference];
const strange = fc.constantFrom<unknown>(...strangeTexts, ...strangeNumbers, ...strangeRest);

/** The paths of all fields, those of objects too. */
function pathsOf(value: unknown): string[][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([name, child]) => [[name], ...pathsOf(child).map((path) => [name, ...path])]);
}

function withField(value: object, [name = "", ...rest]: readonly string[], field: unknown): object {
  const inner = rest.length === 0 ? field : withField((value as Record<string, object>)[name] ?? {}, rest, field);
  return { ...value, [name]: inner };
}

/** A good spec of which one field, or one that does not exist, has another value. */
const anySpec = fc
  .constantFrom(...bases)
  .chain((base) =>
    fc
      .tuple(fc.constantFrom(...pathsOf(base), ["voice", "shared"], ["promptFrom"], ["model", "nme"]), strange)
      .map(([path, value]) => withField(base, path, value)),
  );

describe.skipIf(reason !== null)(`the custom resource Agent${reason === null ? "" : ` (${reason})`}`, () => {
  beforeAll(() => {
    mustKubectl(["apply", "-f", "k8s/crds/agents.yaml"]);
    mustKubectl(["wait", "--for=condition=Established", "crd/agents.discord-agent.dev", "--timeout=30s"]);
    for (const name of [namespace, elsewhere]) mustKubectl(["create", "namespace", name]);
  });
  afterAll(() => {
    // See describeOnCluster.
    for (const name of [namespace, elsewhere]) {
      kubectl(["delete", "dagent", "--all", "-n", name]);
      kubectl(["delete", "namespace", name, "--wait=false"]);
    }
  });

  it("is small enough for a plain kubectl apply", () => {
    const crd = mustKubectl(["get", "crd", "agents.discord-agent.dev", "-o", "json", "--show-managed-fields=false"]);
    const { status } = JSON.parse(crd) as { status: { conditions: { type: string; status: string }[] } };
    expect(status.conditions).toContainEqual(expect.objectContaining({ type: "Established", status: "True" }));
    expect(status.conditions).not.toContainEqual(expect.objectContaining({ type: "NonStructuralSchema" }));
  });

  it.each(refused)("refuses %s and says what to do", (_, manifest, words) => {
    const { code, err } = kubectl(["apply", "--dry-run=server", "-f", "-"], manifest);
    expect(err).toContain(words);
    expect(code).not.toBe(0);
    expect(isValidOffline(manifest)).toBe(false);
  });

  it("takes words that mean true as true, which validate refuses", () => {
    const manifest = written("displayName: M", "channels: {weights: {on: 1}}", "triggers: {mention: yes}");
    const args = ["apply", "--dry-run=server", "-o", "json", "-f", "-"];
    const { spec } = JSON.parse(mustKubectl(args, manifest)) as { spec: object };
    expect(spec).toMatchObject({ channels: { weights: { true: 1 } }, triggers: { mention: true } });
    expect(isValidOffline(manifest.replace("yes", "true"))).toBe(false);
    expect(isValidOffline(manifest.replace("{on:", '{"on":'))).toBe(false);
    expect(isValidOffline(manifest.replace("yes", "true").replace("{on:", '{"on":'))).toBe(true);
  });

  it("refuses of random manifests those that validate refuses offline, and no other", () => {
    const manifests = fc.sample(anySpec, 400).map((spec, index) => agent(spec, `random-${index}`));
    const { out, err } = kubectl(["apply", "--dry-run=server", "-f", "-"], manifests.join("\n---\n"));
    const verdicts = manifests.map((manifest, index) => ({
      manifest,
      cluster: out.includes(`/random-${index} created`),
      offline: isValidOffline(manifest),
    }));
    expect(
      verdicts.filter(({ cluster, offline }) => cluster !== offline),
      err,
    ).toEqual([]);
    for (const verdict of [true, false])
      expect(verdicts.filter(({ cluster }) => cluster === verdict).length).toBeGreaterThan(20);
  });

  it.each(strangeAddresses)("says of the address %j what validate says", (avatarUrl) => {
    const manifest = agent({ ...good, voice: { webhook: { avatarUrl } } });
    const { code } = kubectl(["apply", "--dry-run=server", "-f", "-"], manifest);
    expect(code === 0).toBe(isValidOffline(manifest));
  });

  it("takes the agents of the laptop as they are, and fills in the defaults", () => {
    mustKubectl(["apply", "-n", namespace, "-f", "agents.yaml"]);
    const mira = JSON.parse(mustKubectl(["get", "dagent", "mira", "-n", namespace, "-o", "json"])) as {
      spec: Record<string, unknown>;
    };
    expect(mira.spec).toMatchObject({
      default: true,
      memory: { recall: true, scope: "guild" },
      triggers: { mention: true },
      channels: { allow: [], deny: [], weights: {} },
    });
  });

  it.each(["dagent/olga", "dagent"])(
    "takes again what kubectl get %s gave, in the namespace that synth was told, whatever has happened since",
    (what) => {
      mustKubectl(["apply", "-f", "-"], agent(good, "olga"));
      const text = mustKubectl(["get", what, "-n", namespace, "-o", "yaml"]);
      mustKubectl(["apply", "-f", "-"], agent({ ...good, prompt: "You are another." }, "olga"));
      for (const target of [elsewhere, namespace]) {
        mustKubectl(["apply", "-f", "-"], agentsIn(target, text));
        expect(mustKubectl(["get", "dagent/olga", "-n", target, "-o", "jsonpath={.spec.prompt}"])).toBe(good.prompt);
      }
    },
  );

  it("shows Ready, Model, Serving and Age from the status", () => {
    mustKubectl(["apply", "-f", "-"], agent(good, "nora"));
    const condition = {
      type: "Serving",
      status: "True",
      reason: "Served",
      message: "3/3 pods",
      observedGeneration: 1,
      lastTransitionTime: "2026-11-23T00:00:00Z",
    };
    const status = {
      observedGeneration: 1,
      conditions: [condition],
      model: "offline",
      serving: "3/3",
      revision: "abc",
    };
    mustKubectl([
      "patch",
      "dagent/nora",
      "-n",
      namespace,
      "--subresource=status",
      "--type=merge",
      "-p",
      JSON.stringify({ status }),
    ]);
    mustKubectl(["wait", "--for=condition=Serving", "dagent/nora", "-n", namespace, "--timeout=5s"]);
    expect(mustKubectl(["get", "discord-agent", "nora", "-n", namespace])).toMatch(
      /NAME +READY +MODEL +SERVING +AGE\nnora +True +offline +3\/3 +\S+/,
    );
  });
});

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { table } from "../../src/config-variables.ts";
import { releaseOf } from "./release-of.ts";

interface Container {
  readonly name: string;
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly envFrom: readonly { readonly configMapRef: { readonly name: string } }[];
}

interface PodTemplate {
  readonly spec: { readonly terminationGracePeriodSeconds: number; readonly containers: readonly Container[] };
}

const roles = ["all-in-one", "gateway", "worker"] as const;
const release = (role: (typeof roles)[number], values: object = {}) =>
  releaseOf({ topology: role === "all-in-one" ? role : "split", ...values });
/** The template of the pods of one role. */
const podOf = (role: (typeof roles)[number], values: object = {}) =>
  (release(role, values).get("Deployment", `bot-discord-agent-${role}`)["spec"] as { template: PodTemplate }).template;
const configOf = (pod: PodTemplate) => pod.spec.containers[0]?.envFrom[0]?.configMapRef.name ?? "";

describe.each(roles)("pods of %s", (role) => {
  it("are others when what they read at their start changes, which is in an immutable ConfigMap of another name", () => {
    const [before, after] = [podOf(role, { config: { LANES: 8 } }), podOf(role, { config: { LANES: 9 } })];
    expect(configOf(after)).toMatch(/^bot-discord-agent-config-[0-9a-f]{10}$/);
    expect(configOf(after)).not.toBe(configOf(before));
    expect(release(role, { config: { LANES: 9 } }).get("ConfigMap", configOf(after))).toMatchObject({
      immutable: true,
      data: { LANES: "9" },
    });
  });

  it("are the same when nothing changes but what they follow while they run", () => {
    const settings = { LOG_LEVEL: "debug", GEMINI_REQUESTS_PER_MINUTE: 60, MEMORY_RETENTION_DAYS: 30 };
    expect(podOf(role, { settings })).toEqual(podOf(role));
    const followed = release(role, { settings }).get("ConfigMap", "bot-discord-agent-settings");
    expect(followed).toMatchObject({ data: { LOG_LEVEL: "debug", GEMINI_REQUESTS_PER_MINUTE: "60" } });
    expect(followed).not.toHaveProperty("immutable");
  });

  it("are given time to stop: a turn ends before the drain does, and the drain before they are killed", () => {
    const { spec } = podOf(role);
    const seconds = (name: "TURN_DEADLINE_SECONDS" | "DRAIN_DEADLINE_SECONDS") =>
      Number(spec.containers[0]?.env.find((one) => one.name === name)?.value ?? table[name].fallback);
    expect(Number(table.TURN_DEADLINE_SECONDS.fallback)).toBeLessThan(Number(table.DRAIN_DEADLINE_SECONDS.fallback));
    const [turn, drain] = [seconds("TURN_DEADLINE_SECONDS"), seconds("DRAIN_DEADLINE_SECONDS")];
    // A gateway has no turns: it hands its shards over.
    expect(role === "gateway" ? 0 : turn).toBeLessThan(drain);
    expect(drain).toBeLessThan(spec.terminationGracePeriodSeconds);
    // src/lifecycle/parts.ts takes 2 s more before it ends the process itself.
    expect(spec.terminationGracePeriodSeconds - drain).toBeGreaterThanOrEqual(10);
  });
});

describe("every pod that the chart makes, those of the databases and of its test too", () => {
  const templates = join(import.meta.dirname, "..", "..", "charts", "discord-agent", "templates");
  const specs = globSync("*.yaml", { cwd: templates })
    .flatMap((file) => readFileSync(join(templates, file), "utf8").split("\n---\n"))
    .filter((object) => /^ +containers:$/m.test(object));

  it("is pulled with the Secrets of imagePullSecrets", () => {
    const pulled = specs.filter((spec) => spec.includes("imagePullSecrets: {{ toJson (.Values.imagePullSecrets) }}"));
    const componentsOf = (some: readonly string[]) =>
      some.map((spec) => /component: (\S+)/.exec(spec)?.[1] ?? spec).toSorted();
    expect(componentsOf(pulled)).toEqual(componentsOf(specs));
    expect(componentsOf(specs)).toEqual(["all-in-one", "gateway", "postgres", "redis", "release-test", "worker"]);
    const values = { imagePullSecrets: [{ name: "registry" }], postgres: { enabled: true } };
    expect(release("all-in-one", values).get("StatefulSet", "bot-discord-agent-postgres")).toMatchObject({
      spec: { template: { spec: { imagePullSecrets: [{ name: "registry" }] } } },
    });
  });

  it("takes the image of the bot as image.pullPolicy says", () => {
    const images = specs.flatMap((spec) => [...spec.matchAll(/image: .*"discord-agent\.image".*\n +(.*)/g)]);
    expect(images).toHaveLength(6);
    expect(new Set(images.map(([, next]) => next))).toEqual(
      new Set(["imagePullPolicy: {{ toJson (.Values.image.pullPolicy) }}"]),
    );
  });
});

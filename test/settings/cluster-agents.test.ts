import { describe, expect, it } from "vitest";
import { decideAgents, type AgentObject, type AgentsAround } from "../../src/settings/cluster-agents.ts";

const object = (name: string, spec: Record<string, unknown>, day = 1): AgentObject =>
  ({
    apiVersion: "discord-agent.dev/v1alpha1",
    kind: "Agent",
    metadata: { name, resourceVersion: "1", creationTimestamp: `2026-01-0${day}T00:00:00Z` },
    spec: { displayName: name, description: "everything", prompt: `You are ${name}.`, ...spec },
  }) as AgentObject;
const decide = (objects: readonly AgentObject[], around: Partial<AgentsAround> = {}) =>
  Object.fromEntries(
    decideAgents(objects, { configMaps: new Map(), last: new Map(), hasVoice: () => false, ...around }).map((state) => [
      state.object.metadata.name,
      state,
    ]),
  );
/** What was good of these states, as the next look finds it. */
const goodOf = (states: ReturnType<typeof decide>) =>
  new Map(Object.entries(states).flatMap(([name, { good }]) => (good === null ? [] : [[name, good] as const])));
const words = (faults: readonly { where: string; problem: string }[] = []) =>
  faults.map(({ where, problem }) => `${where}: ${problem}`);

describe("Agents of a cluster", () => {
  it("that want the same: the older one has it, whatever their order", () => {
    const young = object("ada", { default: true, triggers: { keywords: ["Plan"] } }, 2);
    const old = object("mira", { default: true, triggers: { keywords: ["plan"] } }, 1);
    for (const objects of [
      [young, old],
      [old, young],
    ]) {
      const { ada, mira } = decide(objects);
      expect([mira?.refused, ada?.agent]).toEqual([[], null]);
      expect(words(ada?.refused)).toEqual([
        "dagent/ada spec.default: ada is a second default agent; mira is one already",
        'dagent/ada spec.triggers.keywords[0]: "Plan" chooses the agent mira already',
      ]);
    }
  });

  it("in their hundreds are each looked at a few times, not once for each of the others", () => {
    let looks = 0;
    const objects = Array.from({ length: 200 }, (_, n) => {
      const one = object(`agent-${n}`, { handoffs: [`agent-${(n + 1) % 200}`] });
      Object.defineProperty(one.spec, "default", { enumerable: true, get: () => void (looks += 1) });
      return one;
    });
    expect(Object.values(decide(objects)).every(({ agent }) => agent?.handoffs.length === 1)).toBe(true);
    expect(looks).toBeLessThan(200 * 10);
  });

  it("of which none is the default: the oldest one answers", () => {
    const { ada, mira } = decide([object("ada", {}, 2), object("mira", {}, 1)]);
    expect([ada?.agent?.isDefault, mira?.agent?.isDefault]).toEqual([false, true]);
  });

  it("that hand off to nobody are served without it, and with it as soon as that one is there", () => {
    const mira = object("mira", { handoffs: ["teo"] });
    const alone = decide([mira])["mira"];
    expect([words(alone?.unresolved), alone?.refused, alone?.agent?.handoffs]).toEqual([
      ["dagent/mira spec.handoffs[0]: there is no agent teo"],
      [],
      [],
    ]);
    const both = decide([mira, object("teo", {}, 2)])["mira"];
    expect([both?.unresolved, both?.agent?.handoffs]).toEqual([[], ["teo"]]);
  });

  it("that are bad keep their last good version, and leave the others alone", () => {
    const last = goodOf(decide([object("mira", {})]));
    const states = decide([object("mira", { model: { temperature: 9 } }), object("teo", {}, 2)], { last });
    expect(words(states["mira"]?.refused)).toEqual(["dagent/mira spec.model.temperature: is more than 2"]);
    expect([states["mira"]?.agent?.prompt, states["teo"]?.refused]).toEqual(["You are mira.", []]);
    expect(decide([object("mira", { model: { temperature: 9 } })])["mira"]?.agent).toBeNull();
  });

  it("keep with their last good version what is theirs: no other may claim it meanwhile", () => {
    const mira = (spec: Record<string, unknown>) =>
      object("mira", { default: true, triggers: { keywords: ["plan"] }, ...spec });
    const ada = object("ada", { default: true, triggers: { keywords: ["Plan"] } }, 2);
    const states = decide([mira({ model: { temperature: 9 } }), ada], { last: goodOf(decide([mira({})])) });
    expect(words(states["ada"]?.refused)).toEqual([
      "dagent/ada spec.default: ada is a second default agent; mira is one already",
      'dagent/ada spec.triggers.keywords[0]: "Plan" chooses the agent mira already',
    ]);
    expect(states["mira"]?.agent).toMatchObject({ isDefault: true, triggers: { keywords: ["plan"] } });
  });

  it("leave with their last good version what an older one has claimed since", () => {
    const ada = object("ada", { default: true, triggers: { keywords: ["plan", "draw"] } }, 2);
    const before = goodOf(decide([object("mira", {}), ada]));
    const mira = object("mira", { default: true, triggers: { keywords: ["Plan"] } });
    const states = decide([mira, ada], { last: before });
    expect(states["mira"]).toMatchObject({ refused: [], agent: { isDefault: true } });
    expect(states["ada"]?.refused).toHaveLength(2);
    expect(states["ada"]?.agent).toMatchObject({ isDefault: false, triggers: { keywords: ["draw"] } });
  });

  it("are the default by their age only as long as none wants to be it, also when they are bad since", () => {
    const bad = { model: { temperature: 9 } };
    const last = goodOf(decide([object("mira", { handoffs: ["teo"] })]));
    const alone = decide([object("mira", bad)], { last });
    expect(alone["mira"]?.agent).toMatchObject({ isDefault: true, handoffs: [] });
    const states = decide([object("mira", bad), object("teo", { default: true }, 2)], { last });
    expect(states["teo"]).toMatchObject({ refused: [], agent: { isDefault: true } });
    expect(states["mira"]?.agent).toMatchObject({ isDefault: false, handoffs: ["teo"] });
  });

  it("take their prompt from a ConfigMap, which may be missing, or lack the key", () => {
    const mira = object("mira", {
      prompt: undefined,
      promptFrom: { configMapKeyRef: { name: "prompts", key: "mira" } },
    });
    const maps = (data: Record<string, string>) =>
      new Map([["prompts", { metadata: { name: "prompts", resourceVersion: "1" }, data }]]);
    expect(words(decide([mira])["mira"]?.unresolved)).toEqual([
      "dagent/mira spec.promptFrom.configMapKeyRef: there is no ConfigMap prompts in the namespace",
    ]);
    expect(words(decide([mira], { configMaps: maps({ teo: "x" }) })["mira"]?.unresolved)).toEqual([
      "dagent/mira spec.promptFrom.configMapKeyRef: the ConfigMap prompts has no text under mira",
    ]);
    expect(decide([mira], { configMaps: maps({ mira: "You plan." }) })["mira"]?.agent?.prompt).toBe("You plan.");
  });

  it("with a voice of their own speak with the bot's where its token is not mounted, and say so", () => {
    const teo = object("teo-two", { voice: { tokenFrom: { secretKeyRef: { name: "s", key: "k" } } } });
    const { unresolved, agent } = decide([teo])["teo-two"] ?? {};
    expect([unresolved?.[0]?.remedy, agent?.name]).toEqual([
      "Add the key DISCORD_TOKEN_TEO_TWO to the Secret that the pods mount",
      "teo-two",
    ]);
    expect(decide([teo], { hasVoice: () => true })["teo-two"]?.unresolved).toEqual([]);
  });
});

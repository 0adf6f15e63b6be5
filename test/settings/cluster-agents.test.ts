import { describe, expect, it } from "vitest";
import type { Agent } from "../../src/settings/settings.ts";
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
    const last = new Map<string, Agent>([["mira", decide([object("mira", {})])["mira"]?.agent as Agent]]);
    const states = decide([object("mira", { model: { temperature: 9 } }), object("teo", {}, 2)], { last });
    expect(words(states["mira"]?.refused)).toEqual(["dagent/mira spec.model.temperature: is more than 2"]);
    expect([states["mira"]?.agent?.prompt, states["teo"]?.refused]).toEqual(["You are mira.", []]);
    expect(decide([object("mira", { model: { temperature: 9 } })])["mira"]?.agent).toBeNull();
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

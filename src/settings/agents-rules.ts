import { createHash } from "node:crypto";
import type { Fault } from "../errors.ts";
import type { AgentManifest } from "./agent-schema.ts";
import type { FoundManifest } from "./agents-yaml.ts";
import { nearest } from "./manifest-faults.ts";
import type { Agent, Snapshot } from "./settings.ts";

/** Names that several of these agents have. */
export function duplicateNames(found: readonly FoundManifest[]): Fault[] {
  const first = new Map<string, FoundManifest>();
  return found.flatMap((one) => {
    if (one.name === null) return [];
    const other = first.get(one.name);
    if (!other) first.set(one.name, one);
    if (!other) return [];
    const problem = `${one.name} is the name of another agent too, at ${other.at(["metadata", "name"])}`;
    return [{ where: one.at(["metadata", "name"]), problem, remedy: "Give each agent a name of its own" }];
  });
}

/** Hand-offs to nobody, and to oneself. */
export function badHandoffs(found: readonly FoundManifest[]): Fault[] {
  const names = found.flatMap(({ name }) => name ?? []);
  return found.flatMap((one) =>
    handoffsOf(one).flatMap((target, index) => {
      if (typeof target !== "string") return [];
      const where = one.at(["spec", "handoffs", index]);
      if (target === one.name)
        return [{ where, problem: `${target} would hand a message to itself`, remedy: "Remove it" }];
      if (names.includes(target)) return [];
      const close = nearest(
        target,
        names.filter((name) => name !== one.name),
      );
      return [
        {
          where,
          problem: `there is no agent ${target}`,
          remedy:
            close === null
              ? `Remove it, or add that agent; there are ${[...new Set(names)].join(", ")}`
              : `Did you mean ${close}?`,
        },
      ];
    }),
  );
}

function handoffsOf(found: FoundManifest): unknown[] {
  const handoffs = found.get(["spec", "handoffs"]);
  return Array.isArray(handoffs) ? handoffs : [];
}

/** Agents that answer by default, after the first. */
export function secondDefaults(found: readonly FoundManifest[]): Fault[] {
  const [first, ...others] = found.filter((one) => one.get(["spec", "default"]) === true);
  return others.map((one) => ({
    where: one.at(["spec", "default"]),
    problem: `${one.name} is a second default agent; ${first?.name} is one already`,
    remedy: "Keep default: true on one agent alone",
  }));
}

/** Keywords that an earlier one of these agents is chosen by: nobody could say whom they choose. */
export function sharedKeywords(found: readonly FoundManifest[]): Fault[] {
  const first = new Map<string, FoundManifest>();
  return found.flatMap((one) => {
    const keywords = one.get(["spec", "triggers", "keywords"]);
    return (Array.isArray(keywords) ? keywords : []).flatMap((keyword: unknown, index) => {
      if (typeof keyword !== "string") return [];
      const word = keyword.trim().toLowerCase();
      const other = first.get(word) ?? one;
      first.set(word, other);
      if (other === one) return [];
      const problem = `${JSON.stringify(keyword)} chooses the agent ${other.name} already`;
      return [
        { where: one.at(["spec", "triggers", "keywords", index]), problem, remedy: "Keep it with one of the two" },
      ];
    });
  });
}

/** An agent as the program reads it. */
export function toAgent({ metadata, spec }: AgentManifest, prompt: string, isDefault: boolean): Agent {
  return {
    name: metadata.name,
    displayName: spec.displayName,
    description: spec.description,
    prompt,
    isDefault,
    model: {
      name: spec.model.name ?? null,
      temperature: spec.model.temperature ?? null,
      maxOutputTokens: spec.model.maxOutputTokens ?? null,
    },
    channels: spec.channels,
    triggers: spec.triggers,
    voice: { webhook: spec.voice.webhook ? { avatarUrl: spec.voice.webhook.avatarUrl ?? null } : null },
    memory: spec.memory,
    budget: {
      maxTokensPerTurn: spec.budget.maxTokensPerTurn ?? null,
      dailyTokens: spec.budget.dailyTokens ?? null,
      timeoutSeconds: spec.budget.timeoutSeconds ?? null,
    },
    handoffs: spec.handoffs,
  };
}

/** What the bot is like with these agents, of which there is at least one. */
export function snapshotOf(agents: readonly Agent[]): Snapshot {
  const [first] = agents;
  if (first === undefined) throw new Error("a state without faults has agents");
  return { revision: revisionOf(agents), agents, defaultAgent: agents.find((agent) => agent.isDefault) ?? first };
}

/** A short hash of what an agent, or all of them, are like. */
export function revisionOf(what: Agent | readonly Agent[]): string {
  return createHash("sha256").update(JSON.stringify(what)).digest("hex").slice(0, 12);
}

/** What tells two snapshots apart, for the log. */
export function changeOf(before: Snapshot, after: Snapshot): Record<string, unknown> {
  const old = new Map(before.agents.map((agent) => [agent.name, JSON.stringify(agent)]));
  const names = after.agents.map(({ name }) => name);
  const changed = after.agents.filter((agent) => old.has(agent.name) && old.get(agent.name) !== JSON.stringify(agent));
  return {
    revision: after.revision,
    added: names.filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !names.includes(name)),
    changed: changed.map(({ name }) => name),
  };
}

import { createHash } from "node:crypto";
import type { Fault } from "../errors.ts";
import type { AgentManifest } from "./agent-schema.ts";
import type { FoundManifest } from "./agents-yaml.ts";
import { nearest } from "./manifest-faults.ts";
import type { Agent, Snapshot } from "./settings.ts";

/** How many agents a fault names at most. */
const mostNamed = 20;

/** What is wrong with these agents together, which may each be good: those that come first are right. */
export function faultsBetween(found: readonly FoundManifest[]): Fault[] {
  const names = namesOf(found);
  const claims = makeClaims();
  const claimed = found.flatMap((one) => {
    const faults = claims.faultsOf(one);
    claims.add(one);
    return faults;
  });
  return [...duplicateNames(found), ...found.flatMap((one) => badHandoffs(one, names)), ...claimed];
}

/** Names that several of these agents have. */
function duplicateNames(found: readonly FoundManifest[]): Fault[] {
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

/** Hand-offs of this agent to nobody, and to itself; `names` are those of all agents. */
export function badHandoffs(one: FoundManifest, names: ReadonlySet<string>): Fault[] {
  return handoffsOf(one).flatMap((target, index) => {
    if (typeof target !== "string") return [];
    const where = one.at(["spec", "handoffs", index]);
    if (target === one.name)
      return [{ where, problem: `${target} would hand a message to itself`, remedy: "Remove it" }];
    if (names.has(target)) return [];
    const others = [...names].filter((name) => name !== one.name);
    const close = nearest(target, others);
    const remedy =
      close === null
        ? `Remove it, or add that agent; there are ${[...names].slice(0, mostNamed).join(", ")}`
        : `Did you mean ${close}?`;
    return [{ where, problem: `there is no agent ${target}`, remedy }];
  });
}

/** The names of these agents. */
export function namesOf(found: readonly FoundManifest[]): ReadonlySet<string> {
  return new Set(found.flatMap(({ name }) => name ?? []));
}

function handoffsOf(found: FoundManifest): unknown[] {
  const handoffs = found.get(["spec", "handoffs"]);
  return Array.isArray(handoffs) ? handoffs : [];
}

/** What one agent alone may have: to answer by default, and each keyword, because nobody could say whom it chooses. */
export interface Claims {
  /** What this one may not have, because one that was added has it. */
  faultsOf(one: FoundManifest): Fault[];
  /** The agent without what others have. */
  leaveOthers(agent: Agent): Agent;
  add(one: FoundManifest): void;
}

/** Claims of nobody yet. */
export function makeClaims(): Claims {
  const keywords = new Map<string, FoundManifest>();
  let first: FoundManifest | null = null;
  return {
    faultsOf: (one) => [...secondDefault(one, first), ...sharedKeywords(one, keywords)],
    leaveOthers: (agent) => ({
      ...agent,
      isDefault: agent.isDefault && first === null,
      triggers: { ...agent.triggers, keywords: agent.triggers.keywords.filter((one) => !keywords.has(wordOf(one))) },
    }),
    add: (one) => {
      if (wantsDefault(one)) first ??= one;
      for (const { word } of keywordsOf(one)) if (!keywords.has(word)) keywords.set(word, one);
    },
  };
}

const wantsDefault = (one: FoundManifest) => one.get(["spec", "default"]) === true;

function secondDefault(one: FoundManifest, first: FoundManifest | null): Fault[] {
  if (first === null || !wantsDefault(one)) return [];
  const problem = `${one.name} is a second default agent; ${first.name} is one already`;
  return [{ where: one.at(["spec", "default"]), problem, remedy: "Keep default: true on one agent alone" }];
}

function sharedKeywords(one: FoundManifest, taken: ReadonlyMap<string, FoundManifest>): Fault[] {
  return keywordsOf(one).flatMap(({ keyword, word, index }) => {
    const other = taken.get(word);
    if (other === undefined) return [];
    const where = one.at(["spec", "triggers", "keywords", index]);
    const problem = `${JSON.stringify(keyword)} chooses the agent ${other.name} already`;
    return [{ where, problem, remedy: "Keep it with one of the two" }];
  });
}

function keywordsOf(one: FoundManifest): { keyword: string; word: string; index: number }[] {
  const keywords = one.get(["spec", "triggers", "keywords"]);
  return (Array.isArray(keywords) ? keywords : []).flatMap((keyword: unknown, index) =>
    typeof keyword === "string" ? [{ keyword, word: wordOf(keyword), index }] : [],
  );
}

const wordOf = (keyword: string) => keyword.trim().toLowerCase();

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

const revisions = new WeakMap<object, string>();

/** A short hash of what an agent, or all of them, are like. They never change: each is hashed once. */
export function revisionOf(what: Agent | readonly Agent[]): string {
  const known = revisions.get(what);
  if (known !== undefined) return known;
  const fresh = createHash("sha256").update(JSON.stringify(what)).digest("hex").slice(0, 12);
  revisions.set(what, fresh);
  return fresh;
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

import type { Fault } from "../errors.ts";
import { badHandoffs, makeClaims, namesOf, toAgent } from "./agents-rules.ts";
import { foundManifest, type FoundManifest } from "./agents-yaml.ts";
import { fieldName, manifestFaults, type Path } from "./manifest-faults.ts";
import type { KubernetesObject } from "./reflector.ts";
import type { Agent } from "./settings.ts";

/** An Agent object as the API server gives it, without the bookkeeping of who wrote which field. */
export interface AgentObject extends KubernetesObject {
  readonly spec: unknown;
  readonly status?: unknown;
}

/** A ConfigMap as far as prompts and settings are in it. */
export interface ConfigMapObject extends KubernetesObject {
  readonly data: Readonly<Record<string, string>>;
}

/** How one Agent object fares. */
export interface AgentState {
  readonly object: AgentObject;
  /** Why this version of it is not served. */
  readonly refused: readonly Fault[];
  /** What it names and is not there; without these it is served. */
  readonly unresolved: readonly Fault[];
  /** What is served under its name: this version, the last good one, or nothing. */
  readonly agent: Agent | null;
  /** Its last good version as it was written, this one included; null: none has been good yet. */
  readonly good: GoodVersion | null;
}

/** A version of an Agent that could be served. */
export interface GoodVersion {
  readonly found: FoundManifest;
  /** With the hand-offs of its author, and the default only where its author says so. */
  readonly agent: Agent;
}

/** What else decides about Agents. */
export interface AgentsAround {
  /** Null: they cannot be read. */
  readonly configMaps: ReadonlyMap<string, ConfigMapObject> | null;
  /** Good so far, by name. */
  readonly last: ReadonlyMap<string, GoodVersion>;
  /** Whether there is a token for a bot of the agent's own. */
  readonly hasVoice: (name: string) => boolean;
}

/**
 * Decides about each Agent object by itself, the oldest first, because objects come one after another: a bad one keeps its last good version and
 * leaves the others alone; of two that want the same, the older one has it, also while only its last good version is served; a hand-off to nobody
 * waits until that agent comes.
 */
export function decideAgents(objects: Iterable<AgentObject>, around: AgentsAround): AgentState[] {
  const sorted = [...objects].sort((a, b) => ageOrder(a) - ageOrder(b) || byName(a, b));
  const all = sorted.map((object) => ({ object, ...readOnce(object) }));
  const names = namesOf(all.map(({ found }) => found));
  const claims = makeClaims();
  const states = all.map(({ object, found, faults }): AgentState => {
    const prompt = promptOf(found, around.configMaps);
    const refused = [...faults, ...claims.faultsOf(found), ...(prompt.isInvalid ? prompt.faults : [])];
    const unresolved = [
      ...(prompt.isInvalid ? [] : prompt.faults),
      ...badHandoffs(found, names),
      ...voiceFaults(found, around),
    ];
    const isGood = refused.length === 0 && prompt.text !== null && found.manifest !== null;
    const good = isGood
      ? { found, agent: toAgent(found.manifest, prompt.text, found.manifest.spec.default) }
      : (around.last.get(object.metadata.name) ?? null);
    // What another has claimed since is no longer this one's, also where its last good version says so.
    const agent = good && (isGood ? good.agent : claims.leaveOthers(good.agent));
    if (good !== null) claims.add(good.found);
    return { object, refused, unresolved, agent, good };
  });
  const served = new Set(states.flatMap(({ agent }) => agent?.name ?? []));
  const hasDefault = states.some(({ agent }) => agent?.isDefault);
  const first = states.find(({ agent }) => agent !== null);
  return states.map((state) => {
    if (state.agent === null) return state;
    const { name, handoffs, isDefault } = state.agent;
    const agent = {
      ...state.agent,
      isDefault: isDefault || (!hasDefault && state === first),
      handoffs: handoffs.filter((target) => target !== name && served.has(target)),
    };
    return { ...state, agent };
  });
}

const ageOrder = ({ metadata }: AgentObject) => Date.parse(metadata.creationTimestamp ?? "") || 0;
const byName = (a: AgentObject, b: AgentObject) => (a.metadata.name < b.metadata.name ? -1 : 1);

interface Read {
  readonly found: FoundManifest;
  readonly faults: readonly Fault[];
}

// An object that has not changed is the same object; to look at a thousand of them anew at each change would take a tenth of a second.
const read = new WeakMap<AgentObject, Read>();

function readOnce(object: AgentObject): Read {
  const known = read.get(object);
  if (known !== undefined) return known;
  // A space, because one name may begin with another.
  const at = (path: Path) => `dagent/${object.metadata.name} ${fieldName(path)}`;
  const faults = manifestFaults(object).map(({ path, problem, remedy }) => ({ where: at(path), problem, remedy }));
  const fresh = { found: foundManifest("", object, at), faults };
  read.set(object, fresh);
  return fresh;
}

interface Prompt {
  readonly text: string | null;
  readonly faults: readonly Fault[];
  /** True: the object itself is wrong; false: what it names is not there, or not yet. */
  readonly isInvalid: boolean;
}

const mayRead = "Let the Role of the pods' ServiceAccount list and watch configmaps";

function promptOf(found: FoundManifest, configMaps: AgentsAround["configMaps"]): Prompt {
  const fault = (field: string, problem: string, remedy: string, isInvalid: boolean): Prompt => ({
    text: null,
    faults: [{ where: found.at(["spec", ...field.split(".")]), problem, remedy }],
    isInvalid,
  });
  const spec = found.manifest?.spec;
  // The schema has said why.
  if (spec === undefined) return { text: null, faults: [], isInvalid: true };
  const { prompt, promptFrom } = spec;
  if (prompt !== undefined && promptFrom !== undefined)
    return fault("promptFrom", "stands beside prompt", "Keep one of the two", true);
  if (prompt !== undefined) return { text: prompt, faults: [], isInvalid: false };
  const ref = promptFrom?.configMapKeyRef;
  if (ref === undefined) {
    const problem = promptFrom?.file === undefined ? "is missing" : "is in a file, which only a laptop has";
    return fault(
      "prompt",
      problem,
      "Write it into spec.prompt, or name a ConfigMap in promptFrom.configMapKeyRef",
      true,
    );
  }
  const field = "promptFrom.configMapKeyRef";
  if (configMaps === null) return fault(field, "the ConfigMaps of the namespace cannot be read", mayRead, false);
  const map = configMaps.get(ref.name);
  if (map === undefined)
    return fault(field, `there is no ConfigMap ${ref.name} in the namespace`, "Create it, or name another", false);
  const text = map.data[ref.key]?.trim() ?? "";
  if (text !== "") return { text, faults: [], isInvalid: false };
  const keys = Object.keys(map.data).join(", ") || "none";
  const problem = `the ConfigMap ${ref.name} has no text under ${ref.key}`;
  return fault(field, problem, `Add the key, or name one that is there: ${keys}`, false);
}

function voiceFaults(found: FoundManifest, { hasVoice }: AgentsAround): Fault[] {
  const path = ["spec", "voice", "tokenFrom"];
  if (found.get(path) === undefined || found.name === null || hasVoice(found.name)) return [];
  const variable = `DISCORD_TOKEN_${found.name.toUpperCase().replaceAll("-", "_")}`;
  const problem = "its bot token is not mounted, so it speaks with the voice of the bot";
  return [{ where: found.at(path), problem, remedy: `Add the key ${variable} to the Secret that the pods mount` }];
}

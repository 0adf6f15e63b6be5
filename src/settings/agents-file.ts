import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import type { Fault } from "../errors.ts";
import { parseManifests, type FoundManifest } from "./agents-yaml.ts";
import { faultsBetween, toAgent } from "./agents-rules.ts";
import type { Agent } from "./settings.ts";

const maxBytes = 1_048_576;

/** What some manifest files hold. The agents are usable only when there is no fault. */
export interface LoadedAgents {
  readonly agents: readonly Agent[];
  readonly faults: readonly Fault[];
  /** Every file that was read or looked for, prompts included: a change of one may change the agents. */
  readonly files: readonly string[];
}

/** Reads all agents of some files, and of the `*.yaml` and `*.yml` of some folders, with every fault at once, as a laptop takes them. */
export function loadAgents(paths: readonly string[]): LoadedAgents {
  const { found, faults, files } = readManifests(paths);
  const hasDefault = found.some((one) => one.get(["spec", "default"]) === true);
  const agents = found.flatMap((one, index) => {
    if (one.get(["spec"]) === undefined) return [];
    const prompt = resolvePrompt(one, files);
    faults.push(...(typeof prompt === "string" ? [] : [prompt]));
    const isDefault = one.manifest?.spec.default || (!hasDefault && index === 0);
    return typeof prompt === "string" && one.manifest !== null ? [toAgent(one.manifest, prompt, isDefault)] : [];
  });
  return { agents, faults, files };
}

/** What `discord-agent validate FILE…` reports, as a cluster sees it: how many good agents there are, and every fault. */
export function validateFiles(paths: readonly string[]): { agents: number; faults: readonly Fault[] } {
  const { found, faults } = readManifests(paths);
  faults.push(...found.flatMap((one) => (one.get(["spec"]) === undefined ? [] : promptFaults(one))));
  return { agents: found.filter(({ manifest }) => manifest !== null).length, faults };
}

function readManifests(paths: readonly string[]): { found: FoundManifest[]; faults: Fault[]; files: string[] } {
  const faults: Fault[] = [];
  const files: string[] = [];
  const found: FoundManifest[] = [];
  for (const file of paths.flatMap((path) => manifestFiles(path))) {
    files.push(file);
    const text = readText(file);
    if (typeof text !== "string") {
      faults.push({ where: file, ...text });
      continue;
    }
    const parsed = parseManifests(file, text);
    // A file may have more of them than one call may have arguments.
    for (const fault of parsed.faults) faults.push(fault);
    for (const one of parsed.found) found.push(one);
  }
  if (found.length === 0 && faults.length === 0) {
    faults.push({
      where: paths.join(", "),
      problem: "holds no agent",
      remedy: "Write at least one Agent manifest, as in the agents.yaml of the project",
    });
  }
  faults.push(...faultsBetween(found));
  return { found, faults, files };
}

/** The files a path stands for: itself, or the manifests in the folder, sorted. */
export function manifestFiles(path: string): string[] {
  try {
    const names = statSync(path).isDirectory() ? readdirSync(path) : null;
    return (
      names
        ?.filter((name) => /^[^.].*\.ya?ml$/.test(name))
        .sort()
        .map((name) => join(path, name)) ?? [path]
    );
  } catch {
    return [path];
  }
}

function readText(path: string): string | { problem: string; remedy: string } {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return { problem: "is not a file", remedy: "Name a file of text" };
    if (stat.size > maxBytes) return { problem: "is larger than 1 MB", remedy: "Split it; one agent a file is good" };
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ERR_ENCODING_INVALID_ENCODED_DATA") return { problem: "is not UTF-8", remedy: "Save it as UTF-8" };
    if (code === "ENOENT") return { problem: "is not there", remedy: "Check the path, or create the file" };
    return { problem: `cannot be read (${code ?? "unknown"})`, remedy: "Make it readable for this user" };
  }
}

/** What is wrong with where the prompt comes from, wherever the agent is to run. */
function sourceFault(found: FoundManifest): Fault | null {
  const [prompt, from] = [found.get(["spec", "prompt"]), found.get(["spec", "promptFrom"])];
  if (prompt !== undefined && from !== undefined)
    return faultAt(found, "promptFrom", "stands beside prompt", "Keep one of the two");
  if (prompt !== undefined || from !== undefined) return null;
  const remedy = "Add spec.prompt: who the agent is and how it answers; or spec.promptFrom";
  return faultAt(found, "prompt", "is missing", remedy);
}

/** As the API server has it. */
function promptFaults(found: FoundManifest): Fault[] {
  const source = sourceFault(found);
  if (source !== null) return [source];
  const from = found.get(["spec", "promptFrom"]);
  if (found.get(["spec", "promptFrom", "file"]) !== undefined) {
    const remedy =
      "Put the text into a ConfigMap (kubectl create configmap NAME --from-file=KEY=FILE) and name it in configMapKeyRef";
    return [faultAt(found, "promptFrom.file", "is read on a laptop only", remedy)];
  }
  if (from === undefined || found.get(["spec", "promptFrom", "configMapKeyRef"]) !== undefined) return [];
  return [faultAt(found, "promptFrom", "names nothing", "Add configMapKeyRef with name and key of a ConfigMap")];
}

function faultAt(found: FoundManifest, field: string, problem: string, remedy: string): Fault {
  return { where: found.at(["spec", ...field.split(".")]), problem, remedy };
}

function resolvePrompt(found: FoundManifest, files: string[]): string | Fault {
  const fault = (field: string, problem: string, remedy: string) => faultAt(found, field, problem, remedy);
  const source = sourceFault(found);
  if (source !== null) return source;
  // A prompt of another type is refused by the schema already.
  if (found.get(["spec", "prompt"]) !== undefined) return String(found.manifest?.spec.prompt);
  if (found.get(["spec", "promptFrom", "configMapKeyRef"]) !== undefined) {
    const remedy = "Write the prompt into spec.prompt, or into a file for promptFrom.file";
    return fault("promptFrom.configMapKeyRef", "names a ConfigMap, which only a cluster has", remedy);
  }
  const file = found.get(["spec", "promptFrom", "file"]);
  if (typeof file !== "string")
    return fault("promptFrom", "names no file", "Add promptFrom.file: a path relative to the manifest");
  if (isAbsolute(file)) return fault("promptFrom.file", "is an absolute path", "Give it relative to the manifest");
  const path = join(dirname(found.file), file);
  files.push(path);
  const text = readText(path);
  if (typeof text !== "string") return fault("promptFrom.file", `${path} ${text.problem}`, text.remedy);
  return text.trim() || fault("promptFrom.file", `${path} is empty`, "Write the prompt into it");
}

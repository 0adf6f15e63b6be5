import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { placeholder, variables } from "../src/config-variables.ts";
import { secretVariables, sectionOf, type ValueSet } from "./values/values-schema.ts";
import { textsOf } from "./values/variable-value.ts";
import { note } from "./yaml-text.ts";

type Environment = Readonly<Record<string, string>>;

/** The file of a folder of manifests that holds the Secret. */
export const secretFile = "05-secret.yaml";

const isSecret = (name: string) =>
  (secretVariables as readonly string[]).includes(name) || name.startsWith("DISCORD_TOKEN_");

/** What of an environment file belongs into the Secret, and what is wrong with it; no fault holds a value. */
export function secretsOf(env: Environment): { given: Record<string, string>; faults: string[] } {
  const set = Object.entries(env).filter(([name, value]) => isSecret(name) && value !== "");
  const faults = set
    .filter(([, value]) => value.includes(placeholder))
    .map(([name]) => `${name}: still holds the placeholder ${placeholder}; write its value, or remove the line`);
  if (set.length === 0) faults.push(`none of ${secretVariables.join(", ")} is set in it`);
  return { given: Object.fromEntries(set), faults };
}

/** A sentence for each variable of an environment file that neither the Secret nor the values have; none holds a value. */
export function leftOut(env: Environment, { config, settings }: ValueSet): string[] {
  const inValues = { ...textsOf(config), ...textsOf(settings) };
  return Object.entries(env)
    .filter(([name, value]) => !isSecret(name) && value !== "" && inValues[name] !== value)
    .map(([name]) => `${name} ${whereTo(name)}`);
}

function whereTo(name: string): string {
  const section = sectionOf(name);
  if (section !== null) return `is no secret and is left out; set ${section}.${name} in the values`;
  const known = variables.find((one) => one.name === name || one.alias === name);
  if (known === undefined) return "is left out; the bot does not read it";
  return known.name === name ? "is left out; the manifests set it" : `is left out; write it as ${known.name}`;
}

/** Tells git not to take the Secret of this folder. */
export function ignoreSecret(folder: string): void {
  const file = join(folder, ".gitignore");
  const before = existsSync(file) ? readFileSync(file, "utf8").trimEnd() : "";
  if (before.split("\n").includes(secretFile)) return;
  writeFileSync(file, `${before}${before === "" ? "" : "\n"}${secretFile}\n`);
}

/** Removes the Secret that was made into this folder earlier, since `kubectl apply -f` would take it. Returns what is to be said of it; null: there is none. */
export function removeOldSecret(folder: string): string | null {
  const file = join(folder, secretFile);
  if (!existsSync(file)) return null;
  if (!readFileSync(file, "utf8").startsWith(note))
    return `${file} stays, because it was not made here; kubectl apply -f ${folder} takes it, -k does not`;
  rmSync(file);
  return `${file} is removed: it was made with an --env-file, and there is none now`;
}

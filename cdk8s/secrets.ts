import { placeholder } from "../src/config-variables.ts";
import { secretVariables } from "./values/values-schema.ts";

const isSecret = (name: string) =>
  (secretVariables as readonly string[]).includes(name) || name.startsWith("DISCORD_TOKEN_");

/** What of an environment file belongs into the Secret, and what is wrong with it; no fault holds a value. */
export function secretsOf(env: Readonly<Record<string, string>>): {
  given: Record<string, string>;
  faults: string[];
} {
  const set = Object.entries(env).filter(([name, value]) => isSecret(name) && value !== "");
  const faults = set
    .filter(([, value]) => value.includes(placeholder))
    .map(([name]) => `${name}: still holds the placeholder ${placeholder}; write its value, or remove the line`);
  if (set.length === 0) faults.push(`none of ${secretVariables.join(", ")} is set in it`);
  return { given: Object.fromEntries(set), faults };
}

import type { ApiObject } from "cdk8s";
import { conditionOf } from "./constructs/manifest.ts";

/** Objects for `kubectl apply`: those whose condition holds, without what was left out. */
export function literalObjects(objects: readonly ApiObject[]): Record<string, unknown>[] {
  return objects
    .filter((object) => conditionOf(object)?.holds ?? true)
    .map((object) => pruned(object.toJson()) as Record<string, unknown>);
}

function pruned(node: unknown): unknown {
  if (Array.isArray(node)) return node.filter((item) => item !== undefined && item !== null).map(pruned);
  if (typeof node !== "object" || node === null) return node;
  const kept = Object.entries(node).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(kept.map(([key, value]) => [key, pruned(value)]));
}

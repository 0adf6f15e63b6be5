import type { ApiObject } from "cdk8s";
import { conditionOf, foreignOf } from "./constructs/manifest.ts";

/** Objects for `kubectl apply`: those whose condition holds, without what was left out. */
export function literalObjects(objects: readonly ApiObject[]): Record<string, unknown>[] {
  return objects.filter(isMade).map((object) => pruned(object.toJson()) as Record<string, unknown>);
}

/** What has to be installed before these objects can be applied, each with the kinds that it brings. */
export function installedFirst(objects: readonly ApiObject[]): Map<string, readonly string[]> {
  const installers = new Map<string, string[]>();
  for (const object of objects.filter(isMade)) {
    const installer = foreignOf(object)?.installedBy;
    if (installer !== undefined) installers.set(installer, [...(installers.get(installer) ?? []), object.kind]);
  }
  return installers;
}

const isMade = (object: ApiObject) => conditionOf(object)?.holds ?? true;

function pruned(node: unknown): unknown {
  if (Array.isArray(node)) return node.filter((item) => item !== undefined && item !== null).map(pruned);
  if (typeof node !== "object" || node === null) return node;
  const kept = Object.entries(node).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(kept.map(([key, value]) => [key, pruned(value)]));
}

import type { Snapshot } from "../settings/settings.ts";

/**
 * The settings without the agents that have spent their tokens of today (`spent`, by agent name); null when nobody is left. Another agent answers
 * for one whose budget is used up.
 */
export function withinBudget(snapshot: Snapshot, spent: ReadonlyMap<string, number>): Snapshot | null {
  const agents = snapshot.agents.filter(
    ({ name, budget }) => (spent.get(name) ?? 0) < (budget.dailyTokens ?? Infinity),
  );
  if (agents.length === snapshot.agents.length) return snapshot;
  const [first] = agents;
  if (first === undefined) return null;
  return { ...snapshot, agents, defaultAgent: agents.includes(snapshot.defaultAgent) ? snapshot.defaultAgent : first };
}

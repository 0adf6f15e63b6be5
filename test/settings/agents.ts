import type { Agent } from "../../src/settings/settings.ts";

/** An agent with every default. */
export function agentNamed(name: string, over: Partial<Agent> = {}): Agent {
  return {
    name,
    displayName: name.toUpperCase(),
    description: `everything about ${name}`,
    prompt: `You are ${name}.`,
    isDefault: false,
    model: { name: null, temperature: null, maxOutputTokens: null },
    channels: { allow: [], deny: [], weights: {} },
    triggers: { mention: true, keywords: [] },
    voice: { webhook: null },
    memory: { recall: true, scope: "guild" },
    budget: { maxTokensPerTurn: null, dailyTokens: null, timeoutSeconds: null },
    handoffs: [],
    ...over,
  };
}

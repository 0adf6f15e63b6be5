import type { GenerateRequest, Grounding } from "../../src/model/model.ts";

const agents: Grounding["agents"] = [
  { name: "facilitator", displayName: "Ada", description: "Plans, schedules and moderates." },
  { name: "technical", displayName: "Linus", description: "Explains code, databases and servers." },
  { name: "creative", displayName: "Muse", description: "Writes stories, poems and names." },
];

export const schema = {
  type: "object",
  properties: {
    agent: { type: "string", enum: ["facilitator", "technical", "creative"] },
    reply: { type: "string", minLength: 1 },
    handoff: { type: ["string", "null"] },
  },
  required: ["agent", "reply"],
  propertyOrdering: ["agent", "reply", "handoff"],
  additionalProperties: false,
} as const;

/** A request about `message`; everything else may be replaced. */
export function requestFor(
  message: string,
  changes: Partial<GenerateRequest> = {},
  grounding: Partial<Grounding> = {},
): GenerateRequest {
  return {
    system: "You are several agents.",
    prompt: message,
    schema: null,
    grounding: {
      agents,
      defaultAgent: "facilitator",
      author: "Aki",
      message,
      conversation: [],
      memories: [],
      ...grounding,
    },
    maxOutputTokens: 500,
    temperature: null,
    model: null,
    priority: "mention",
    ...changes,
  };
}

/** A signal that never aborts by itself. */
export const patient = new AbortController().signal;

import * as z from "zod";

const label = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
const words = (of: string) => z.array(z.string().min(1).max(100)).max(100).default([]).describe(`a list of ${of}`);
const count = (of: string) => z.int().min(1).max(1_000_000_000).optional().describe(`a whole number from 1: ${of}`);
/** The name of a ConfigMap or Secret, and one of its keys, in the forms that Kubernetes has for both. */
const keyRef = z.strictObject({
  name: z
    .string()
    .max(253)
    .regex(/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/)
    .describe("the name of an object: small letters, digits, dashes, dots"),
  key: z
    .string()
    .max(253)
    .regex(/^[-._a-zA-Z0-9]+$/)
    .describe("a key in it: letters, digits, dashes, dots, underscores"),
});
/** For people who look for the token: pods may read no Secret but the one they mount. */
const secretKeyRef = keyRef.describe("name and key of the Secret that the pods mount");

/** In the words that JavaScript and Go's RE2 share: browsers and Go differ in what a URL is. */
export const httpsAddress = String.raw`^https://([-.\w]|[^\x00-\x7f])+(:(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5]))?([/?#]([^\x00-\x20%\x7f]|%[\dA-Fa-f]{2})*)?$`;

const promptFrom = z
  .strictObject({
    file: z.string().min(1).optional().describe("the path of a text file, relative to the manifest"),
    configMapKeyRef: keyRef.optional().describe("name and key of a ConfigMap; in a cluster"),
  })
  .describe("where the prompt is kept: file, or configMapKeyRef in a cluster");

const model = z
  .strictObject({
    name: z.string().min(1).max(100).optional().describe("the name of a model; without it GEMINI_MODEL"),
    temperature: z.number().min(0).max(2).optional().describe("a number from 0 (sober) to 2 (wild)"),
    maxOutputTokens: count("how long an answer may be"),
  })
  .prefault({})
  .describe("the model this agent writes with");

const channels = z
  .strictObject({
    allow: words("channel names or ids; empty allows all"),
    deny: words("channel names or ids where this agent is silent"),
    weights: z
      .record(z.string(), z.number().min(0).max(1).describe("a number from 0 to 1"))
      .default({})
      .describe("channel names or ids, each with a number from 0 to 1"),
  })
  .prefault({})
  .describe("where this agent speaks");

const triggers = z
  .strictObject({
    mention: z.boolean().default(true).describe("true or false: whether calling it by its name chooses it"),
    keywords: words("words or phrases that choose this agent"),
  })
  .prefault({})
  .describe("what chooses this agent without asking the model");

const voice = z
  .strictObject({
    tokenFrom: z
      .strictObject({ secretKeyRef })
      .optional()
      .describe(
        "a bot of its own, whose token is in DISCORD_TOKEN_<AGENT>: a key of the Secret that the pods mount, or a variable",
      ),
    webhook: z
      .strictObject({
        avatarUrl: z
          .string()
          .max(2048, { abort: true })
          .refine((text) => new RegExp(httpsAddress, "u").test(text))
          .optional()
          .describe("the https address of its picture"),
      })
      .optional()
      .describe("with its own name and picture, through webhooks that the bot makes in channels where it may"),
    shared: z.literal(true).optional().describe("true: it speaks with the voice of the bot"),
  })
  .refine((given) => Object.values(given).filter((one) => one !== undefined).length <= 1, {
    message: "names more than one voice",
    params: { remedy: "Keep one of tokenFrom, webhook and shared" },
    // Also beside other faults of it.
    when: ({ value }) => typeof value === "object" && value !== null,
  })
  .prefault({})
  .describe("the identity it speaks with");

const memory = z
  .strictObject({
    recall: z.boolean().default(true).describe("true or false: whether it is reminded of what was said earlier"),
    scope: z.enum(["guild", "channel"]).default("guild").describe("guild or channel: how far its memory reaches"),
  })
  .prefault({})
  .describe("what it remembers");

const budget = z
  .strictObject({
    maxTokensPerTurn: count("tokens one answer may use, prompt included"),
    dailyTokens: count("tokens it may use in a day"),
    timeoutSeconds: z.int().min(1).max(3_600).optional().describe("a whole number of seconds from 1 to 3600"),
  })
  .prefault({})
  .describe("limits of its own");

const spec = z
  .strictObject({
    displayName: z.string().max(80).trim().min(1).describe("the name people see, of 1 to 80 characters"),
    description: z.string().max(1_000).trim().min(1).describe("what it is good at, for the supervisor to choose by"),
    prompt: z.string().max(50_000).trim().min(1).optional().describe("who it is and how it answers"),
    promptFrom: promptFrom.optional(),
    default: z.boolean().default(false).describe("true for the one agent that answers when nobody else was chosen"),
    model,
    channels,
    triggers,
    voice,
    memory,
    budget,
    handoffs: z.array(label).max(50).default([]).describe("a list of the names of other agents"),
  })
  .describe("the agent itself");

/** The one description of an `Agent` manifest, on a laptop and in a cluster. Descriptions say what a field takes. */
export const agentManifest = z.strictObject({
  apiVersion: z.literal("discord-agent.dev/v1alpha1").describe("discord-agent.dev/v1alpha1"),
  kind: z.literal("Agent").describe("Agent"),
  // Everything else in metadata is Kubernetes' business: `kubectl get -o yaml` writes a dozen fields there.
  metadata: z
    .looseObject({ name: label.describe("a name of at most 63 lower-case letters, digits and inner dashes") })
    .describe("at least the name of the agent"),
  spec,
  status: z.unknown().optional().describe("written by the cluster, ignored here"),
});

/** An `Agent` manifest that has the right form, defaults filled in; references are not resolved yet. */
export type AgentManifest = z.output<typeof agentManifest>;

import * as z from "zod";
import { agentManifest, httpsAddress } from "../src/settings/agent-schema.ts";
import { structuralSchema, type Additions, type Rule, type Schema } from "./structural-schema.ts";

/** The API group and version of the custom resource. */
const group = "discord-agent.dev";
const version = "v1alpha1";

const rules = (...all: Rule[]): Schema => ({ "x-kubernetes-validations": all });

const notBlank = (field: string, remedy: string) =>
  rules({ rule: "self.trim() != ''", message: `${field} holds nothing but spaces: ${remedy}` });

const nameRules: readonly Rule[] = [
  {
    rule: "self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    message: "metadata.name must have at most 63 lower-case letters, digits and inner dashes: rename the agent",
    fieldPath: ".metadata",
  },
  {
    rule: "!has(self.spec.handoffs) || !(self.metadata.name in self.spec.handoffs)",
    message: "handoffs names the agent itself: remove its own name from spec.handoffs",
    fieldPath: ".spec.handoffs",
  },
];

const promptRules: readonly Rule[] = [
  {
    rule: "has(self.prompt) || has(self.promptFrom)",
    message: "prompt is missing: add spec.prompt, who the agent is and how it answers; or spec.promptFrom",
    fieldPath: ".prompt",
  },
  {
    rule: "!(has(self.prompt) && has(self.promptFrom))",
    message: "promptFrom stands beside prompt: keep one of the two",
    fieldPath: ".promptFrom",
  },
];

const promptFromRules: readonly Rule[] = [
  {
    rule: "!has(self.file)",
    message:
      "file is read on a laptop only: put the text into a ConfigMap (kubectl create configmap NAME --from-file=KEY=FILE) and name it in configMapKeyRef",
    fieldPath: ".file",
  },
  {
    rule: "has(self.file) || has(self.configMapKeyRef)",
    message: "promptFrom names nothing: add configMapKeyRef with name and key of a ConfigMap",
  },
];

const voiceRules: readonly Rule[] = [
  {
    rule: "[has(self.tokenFrom), has(self.webhook), has(self.shared)].filter(given, given).size() <= 1",
    message: "an agent has one voice: keep one of tokenFrom, webhook and shared",
  },
];

const avatarRules: readonly Rule[] = [
  {
    rule: `self.matches(r'${httpsAddress}')`,
    message: "avatarUrl must be an https address, such as https://example.org/mira.png",
  },
];

const additions: Additions = {
  "": rules(...nameRules),
  ".spec": rules(...promptRules),
  ".spec.displayName": notBlank("displayName", "write the name people see"),
  ".spec.description": notBlank("description", "write what the agent is good at"),
  ".spec.prompt": notBlank("prompt", "write who the agent is and how it answers"),
  ".spec.promptFrom": rules(...promptFromRules),
  ".spec.voice": rules(...voiceRules),
  ".spec.voice.webhook.avatarUrl": rules(...avatarRules),
};

/** The form of one agent, as Kubernetes checks it; without what the API server knows about every object. */
function agentSchema(): Schema {
  const { properties, ...rest } = z.toJSONSchema(agentManifest, { io: "input" }) as Schema & { properties: Schema };
  const { spec } = properties;
  const schema = structuralSchema({ ...rest, properties: { spec }, required: ["spec"] }, additions);
  const written = schema["properties"] as Schema;
  return {
    description: "An agent that answers in Discord. An edit is served from the next message on, without a rollout.",
    ...schema,
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      ...written,
      status: statusSchema,
    },
  };
}

const text = (description: string, more: Schema = {}): Schema => ({ description, type: "string", ...more });

const conditionSchema: Schema = {
  description: "one aspect of the agent's state",
  type: "object",
  required: ["type", "status", "lastTransitionTime", "reason", "message"],
  properties: {
    type: text("Accepted, ReferencesResolved or Serving", {
      maxLength: 316,
      pattern:
        "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
    }),
    status: text("True, False or Unknown", { enum: ["True", "False", "Unknown"] }),
    observedGeneration: {
      description: "the generation this was said about",
      type: "integer",
      format: "int64",
      minimum: 0,
    },
    lastTransitionTime: text("when status last changed", { format: "date-time" }),
    reason: text("one word for programs", {
      minLength: 1,
      maxLength: 1024,
      pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
    }),
    message: text("a sentence for people", { maxLength: 32768 }),
  },
};

const statusSchema: Schema = {
  description: "what the running bot says about this agent",
  type: "object",
  properties: {
    observedGeneration: {
      description: "the generation that was looked at last",
      type: "integer",
      format: "int64",
      minimum: 0,
    },
    conditions: {
      description:
        "Accepted: the form is good; ReferencesResolved: what it names exists; Serving: every pod answers with it",
      type: "array",
      items: conditionSchema,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["type"],
    },
    model: text("the model it writes with"),
    serving: text("how many pods serve this revision, of how many"),
    revision: text("the revision that is served"),
  },
};

const columns = [
  { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Serving")].status' },
  { name: "Model", type: "string", jsonPath: ".status.model" },
  { name: "Serving", type: "string", jsonPath: ".status.serving" },
  { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
];

/** The CustomResourceDefinition of `Agent`. */
export function agentCrd(): Schema {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `agents.${group}`,
      labels: { "app.kubernetes.io/name": "discord-agent", "app.kubernetes.io/part-of": "discord-agent" },
    },
    spec: {
      group,
      scope: "Namespaced",
      names: {
        kind: "Agent",
        listKind: "AgentList",
        plural: "agents",
        singular: "agent",
        shortNames: ["dagent"],
        categories: ["discord-agent"],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: agentSchema() },
          subresources: { status: {} },
          additionalPrinterColumns: columns,
        },
      ],
    },
  };
}

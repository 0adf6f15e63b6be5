import * as z from "zod";
import { table } from "../../src/config-variables.ts";
import { tunable } from "../../src/tuning.ts";
import { brokenRules } from "./rules.ts";
import { faultsOf, variableValue } from "./variable-value.ts";

/** Variables whose values are files of the mounted Secret. */
export const secretVariables = [
  "DISCORD_TOKEN",
  "GEMINI_API_KEY",
  "POSTGRESQL_URL",
  "REDIS_URL",
  "STATUS_TOKEN",
] as const;

/** Variables that the manifests set themselves, because other fields depend on them. */
const ownVariables = [
  "ROLE",
  "HEALTH_CHECK_PORT",
  "SECRETS_DIR",
  "AGENTS_FROM",
  "SETTINGS_CONFIGMAP",
  "POD_NAME",
  "POD_NAMESPACE",
  "NODE_NAME",
  "TURN_DEADLINE_SECONDS",
  "DRAIN_DEADLINE_SECONDS",
] as const;

const elsewhere: ReadonlySet<string> = new Set([...tunable, ...secretVariables, ...ownVariables]);
const coldVariables = Object.keys(table).filter((name) => !elsewhere.has(name));

/** Which group of the values has a variable; null: none, because it is secret or the manifests set it. */
export function sectionOf(name: string): "config" | "settings" | null {
  if ((tunable as readonly string[]).includes(name)) return "settings";
  return coldVariables.includes(name) ? "config" : null;
}

/** The fields of an object, with the default of the whole made from the defaults of its fields. */
const group = <S extends z.ZodRawShape>(meaning: string, shape: S) =>
  z
    .strictObject(shape)
    .prefault({} as never)
    .describe(meaning);
/** A group of variables: wrong is what the process would refuse. */
const variables = <S extends z.ZodRawShape>(meaning: string, shape: S) =>
  z
    .strictObject(shape)
    .superRefine((data, context) => {
      for (const { where, problem } of faultsOf(data))
        context.addIssue({ code: "custom", path: [where], message: problem });
    })
    .prefault({} as never)
    .describe(meaning);

const settingsOf = (names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, variableValue(name as keyof typeof table)]));
const flag = (fallback: boolean, meaning: string) => z.boolean().default(fallback).describe(meaning);
const text = (fallback: string, meaning: string) => z.string().default(fallback).describe(meaning);
const whole = (fallback: number, least: number, most: number, meaning: string) =>
  z.int().min(least).max(most).default(fallback).describe(meaning);
const texts = (meaning: string) => z.record(z.string(), z.string()).default({}).describe(meaning);
const object = (meaning: string) => z.record(z.string(), z.unknown()).default({}).describe(meaning);
const objects = (meaning: string) => z.array(z.record(z.string(), z.unknown())).default([]).describe(meaning);
const name = (meaning: string) =>
  z
    .string()
    .regex(/^([a-z0-9]([-a-z0-9]{0,41}[a-z0-9])?)?$/)
    .default("")
    .describe(meaning);
const size = (fallback: string, meaning: string) =>
  z
    .string()
    .regex(/^[1-9][0-9]*(Mi|Gi|Ti)$/)
    .default(fallback)
    .describe(meaning);
const needs = (cpu: string, memory: string, limit: string) =>
  z
    .strictObject({
      requests: z.record(z.string(), z.union([z.string(), z.number()])).default({ cpu, memory }),
      limits: z.record(z.string(), z.union([z.string(), z.number()])).default({ memory: limit }),
    })
    .prefault({})
    .describe("what a pod may use; without a CPU limit, because throttling would delay answers");

const placement = {
  priorityClassName: text("", "the name of a PriorityClass"),
  nodeSelector: texts("labels that nodes must have"),
  tolerations: objects("taints that pods put up with"),
  affinity: object("affinity, as in a pod"),
};

const autoscaling = group("scaling by messages that wait, never by CPU", {
  kind: z.enum(["none", "hpa", "keda"]).default("none").describe("none, hpa (external metrics API) or keda (its CRD)"),
  minReplicas: whole(2, 1, 1_000, "workers at least"),
  maxReplicas: whole(6, 1, 1_000, "workers at most"),
  waitingMessages: whole(8, 1, 100_000, "waiting messages that one worker is wanted for"),
  prometheusUrl: text("http://prometheus.monitoring.svc:9090", "where KEDA asks Prometheus"),
});

const bundled = (image: string, storage: string) => ({
  enabled: flag(true, "for trying out: one pod, no backup; production brings its own by Secret"),
  image: text(image, "the image"),
  storage: size(storage, "the size of its volume, at the first install"),
  storageClassName: text("", "the StorageClass; empty takes the cluster's default"),
});

const peers = (cidrs: readonly string[], meaning: string) =>
  z
    .array(z.record(z.string(), z.unknown()))
    .min(1)
    .default(cidrs.map((cidr) => ({ ipBlock: { cidr } })))
    .describe(`${meaning}; peers as in a NetworkPolicy, narrow them to the addresses`);

const networkPolicy = group("default deny, and what is needed allowed", {
  enabled: flag(true, "whether the policies are made"),
  monitoringNamespace: text("monitoring", "the namespace that may read /metrics"),
  apiServer: peers(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], "where the API server is"),
  apiServerPorts: z
    .array(z.record(z.string(), z.unknown()))
    .min(1)
    .default([443, 6443, 8443, 16_443].map((port) => ({ protocol: "TCP", port })))
    .describe("its ports, that of its Service and its own: kubectl get endpoints kubernetes -n default"),
  databases: peers(["0.0.0.0/0"], "where your own Postgres (ports 5432 and 6432) and Redis (6379, 6380 and 26379) are"),
  extraEgress: objects("more rules for what the bot may reach, as in a NetworkPolicy"),
});

const valuesShape = {
  nameOverride: name("what the release is called, within the names of objects"),
  fullnameOverride: name("what the names of all objects begin with, instead of release and name"),
  topology: z
    .enum(["all-in-one", "split"])
    .default("all-in-one")
    .describe("all-in-one: one pod does everything; split: gateways hear, workers answer"),
  image: group("the image of the bot", {
    repository: text("ghcr.io/discord-agent/discord-agent", "without the tag"),
    tag: z
      .string()
      .regex(/^([\w][\w.-]{0,127})?$/)
      .refine((tag) => tag !== "latest", "is another image each day; name a version")
      .default("")
      .meta({ description: "empty takes the version of the chart; never latest", not: { const: "latest" } }),
    digest: z
      .string()
      .regex(/^(sha256:[0-9a-f]{64})?$/)
      .default("")
      .describe("sha256:…, goes before the tag"),
    pullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent").describe("when it is pulled"),
  }),
  imagePullSecrets: z
    .array(z.strictObject({ name: z.string().min(1) }))
    .default([])
    .describe("names of Secrets for the registry"),
  existingSecret: text("", `the Secret with ${secretVariables.join(", ")}; empty takes the name of the release`),
  externalSecret: group("makes that Secret with the External Secrets Operator", {
    enabled: flag(false, "whether the ExternalSecret is made"),
    refreshInterval: text("1h", "how often it is looked at"),
    storeName: text("", "the name of the store"),
    storeKind: z.enum(["SecretStore", "ClusterSecretStore"]).default("ClusterSecretStore").describe("its kind"),
    key: text("discord-agent", "the entry of the store, whose properties are named as the variables"),
  }),
  config: variables("variables whose change restarts the pods; docs/configuration.md has them all", {
    ...settingsOf(coldVariables),
    ENVIRONMENT: z
      .enum(["development", "test", "staging", "production"])
      .default("production")
      .describe(table.ENVIRONMENT.meaning),
  }),
  settings: variables("variables that the running pods follow", settingsOf(tunable)),
  allInOne: group("the one pod of topology all-in-one", {
    storage: size(
      "1Gi",
      "the size of the volume of its embedded database; made where Postgres is not bundled, and kept on uninstall",
    ),
    storageClassName: text("", "its StorageClass; empty takes the cluster's default"),
    resources: needs("250m", "512Mi", "2Gi"),
    ...placement,
  }),
  gateway: group("pods that hear Discord", {
    replicas: whole(2, 0, 100, "how many; the second takes over at once"),
    resources: needs("100m", "256Mi", "512Mi"),
    ...placement,
  }),
  worker: group("pods that answer", {
    replicas: whole(2, 0, 1_000, "how many; not used while autoscaling"),
    resources: needs("250m", "384Mi", "1Gi"),
    autoscaling,
    ...placement,
  }),
  migrate: group("brings the database to its schema, before gateway and worker start", {
    existingSecret: text(
      "",
      "a Secret whose POSTGRESQL_URL belongs to the owner of the schema, with topology split and a Postgres of your own; empty: the bot's own",
    ),
  }),
  postgres: group("Postgres with pgvector beside the bot", bundled("pgvector/pgvector:pg18", "5Gi")),
  redis: group("Redis beside the bot", bundled("redis:8-bookworm", "1Gi")),
  serviceAccount: group("who the bot is for the cluster", {
    create: flag(true, "whether it is made; without it the Role is given to the one that is named"),
    name: text("", "its name; empty takes the name of the release, where it is made"),
    annotations: texts("annotations, as for a cloud's identities"),
  }),
  networkPolicy,
  podDisruptionBudget: group("keeps all but one pod while nodes are emptied", {
    enabled: flag(true, "whether they are made, with topology split"),
  }),
  serviceMonitor: group("for the Prometheus Operator", {
    enabled: flag(false, "whether it is made; needs the operator's CRDs"),
    interval: text("15s", "how often metrics are read"),
    labels: texts("labels that the operator looks for"),
    statusToken: flag(false, "whether the Secret has a STATUS_TOKEN, which Prometheus must then show"),
  }),
  prometheusRule: group("alerts, and the metric that workers are scaled by", {
    enabled: flag(false, "whether it is made; needs the operator's CRDs"),
    labels: texts("labels that the operator looks for"),
  }),
  dashboard: group("a Grafana dashboard", {
    enabled: flag(false, "whether the ConfigMap for Grafana's sidecar is made"),
  }),
  crds: group("the custom resource Agent", {
    install: flag(true, "whether the CRD is part of the release; it is kept on uninstall"),
  }),
  podAnnotations: texts("annotations of the bot's pods"),
  extraEnv: objects(
    "more variables of the bot's containers, the one that migrates too; they go before those of the Secrets, but for POSTGRESQL_URL beside migrate.existingSecret",
  ),
  extraVolumes: objects("more volumes of the bot's pods"),
  extraVolumeMounts: objects("where these are mounted, in the same containers"),
  extraManifests: objects("more objects, made with the release"),
  global: object("values of a parent chart; not used"),
};

const shape = z.strictObject(valuesShape);

/** Values with all defaults filled in. */
export type ValueSet = z.output<typeof shape>;

/** Everything that can be set, its defaults, and what it means: for `npm run synth -- --values` and for the chart alike. */
export const valuesSchema = shape.superRefine((values, context) => {
  for (const { path, problem } of brokenRules(values))
    context.addIssue({ code: "custom", path: [...path], message: problem });
});

/**
 * Values with all defaults filled in. As with Helm, a map that is given lies over the default's and does not replace it. Returns zod's result, with every
 * fault of them.
 */
export function fillIn(given: unknown) {
  const checked = shape.safeParse(given);
  return checked.success ? valuesSchema.safeParse(laidOver(shape.parse({}), given)) : checked;
}

function laidOver(below: unknown, above: unknown): unknown {
  if (!isMap(below) || !isMap(above)) return above;
  const fields = Object.entries(above).map(([field, value]) => [field, laidOver(below[field], value)] as const);
  return { ...below, ...Object.fromEntries(fields) };
}

const isMap = (node: unknown): node is Readonly<Record<string, unknown>> =>
  typeof node === "object" && node !== null && !Array.isArray(node);

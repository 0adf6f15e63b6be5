import fc from "fast-check";

const word = fc.constantFrom(
  "a",
  "web-1",
  "true",
  "12",
  "null",
  "it's",
  'say "x"',
  "{{ .Values }}",
  "ü: #é",
  "<b>&",
  "-",
  "a b",
);
const name = fc.constantFrom("", "bot", "my-bot-1", "a".repeat(43));
const labels = fc.dictionary(fc.constantFrom("example.org/a", "team", "b"), word, { maxKeys: 2 });
const objects = (...some: object[]) => fc.subarray(some);
const resources = fc.record(
  {
    requests: fc.constantFrom({}, { cpu: "1", memory: "64Mi" }, { cpu: 2 }),
    limits: fc.constantFrom({}, { memory: "2Gi", cpu: 1 }),
  },
  { requiredKeys: [] },
);
const placement = {
  priorityClassName: fc.constantFrom("", "high"),
  nodeSelector: labels,
  tolerations: objects({ key: "a", operator: "Exists" }, { key: "b", value: "c", effect: "NoSchedule" }),
  affinity: fc.constantFrom({}, { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } }),
};
const some = <T>(fields: Record<string, fc.Arbitrary<T>>) => fc.record(fields, { requiredKeys: [] });
const any = (fields: Record<string, fc.Arbitrary<unknown>>) => some<unknown>(fields);
const bundled = {
  enabled: fc.boolean(),
  image: fc.constantFrom("pgvector/pgvector:pg17", "registry.example.org:5000/x:1"),
  storage: fc.constantFrom("1Gi", "500Mi"),
  storageClassName: fc.constantFrom("", "fast"),
};
const peers = fc.constantFrom([{ ipBlock: { cidr: "10.1.2.3/32" } }], [{ podSelector: {} }, { namespaceSelector: {} }]);

/** Postgres is the Cluster `memory` of CloudNativePG, beside a bundled Redis. */
export const cloudNativePg = {
  topology: "split",
  postgres: { enabled: false },
  extraEnv: [{ name: "POSTGRESQL_URL", valueFrom: { secretKeyRef: { name: "memory-app", key: "uri" } } }],
  networkPolicy: { databases: [{ podSelector: { matchLabels: { "cnpg.io/cluster": "memory" } } }] },
};

/** Sets of values that are refused, by synth and by the chart, each with what both name. */
export const refusedSets: Readonly<Record<string, object>> = {
  gatway: { gatway: { replicas: 2 } },
  TARGET_GUILD_ID: { config: { TARGET_GUILD_ID: 100_000_000_000_000_000 } },
  LANES: { config: { LANES: "abc" } },
  MAX_MESSAGE_CHARS: { config: { MAX_MESSAGE_CHARS: 100_001 } },
  DISCORD_LEASE_SECONDS: { config: { DISCORD_LEASE_SECONDS: 1.5 } },
  COLD_MEMORY_THRESHOLD: { config: { COLD_MEMORY_THRESHOLD: 7 } },
  DISCORD_SHARDS: { config: { DISCORD_SHARDS: "many" } },
  GEMINI_MODEL: { config: { GEMINI_MODEL: "gemini 3" } },
  LOG_LEVEL: { settings: { LOG_LEVEL: "loud" } },
  MEMORY_RETENTION_DAYS: { settings: { MEMORY_RETENTION_DAYS: true } },
  tag: { image: { tag: "latest" } },
  minReplicas: { worker: { autoscaling: { minReplicas: 5, maxReplicas: 4 } } },
  storeName: { externalSecret: { enabled: true } },
  "migrate.existingSecret": { topology: "split", migrate: { existingSecret: "owner" } },
  existingSecret: { postgres: { enabled: false }, migrate: { existingSecret: "owner" } },
  "serviceAccount.name": { serviceAccount: { create: false } },
  POSTGRES_POOL_MIN_SIZE: { config: { POSTGRES_POOL_MIN_SIZE: 20 } },
  "config.POSTGRES_POOL_MIN_SIZE": { config: { POSTGRES_POOL_MIN_SIZE: "5", POSTGRES_POOL_MAX_SIZE: 4 } },
  "prometheusRule.enabled": { topology: "split", worker: { autoscaling: { kind: "hpa" } } },
};

const workers = (...kinds: string[]) =>
  any({
    replicas: fc.integer({ min: 0, max: 9 }),
    resources,
    autoscaling: fc.record(
      {
        kind: fc.constantFrom(...kinds),
        minReplicas: fc.integer({ min: 1, max: 3 }),
        maxReplicas: fc.integer({ min: 6, max: 9 }),
        waitingMessages: fc.constantFrom(1, 8, 100_000),
      },
      { requiredKeys: ["kind"] },
    ),
    ...placement,
  });

const anySets = any({
  nameOverride: name,
  fullnameOverride: name,
  topology: fc.constantFrom("all-in-one", "split"),
  image: any({
    repository: fc.constantFrom("ghcr.io/discord-agent/discord-agent", "localhost:5000/bot"),
    tag: fc.constantFrom("", "1.2.3", "007"),
    digest: fc.constantFrom("", `sha256:${"ab".repeat(32)}`),
    pullPolicy: fc.constantFrom("Always", "IfNotPresent", "Never"),
  }),
  imagePullSecrets: objects({ name: "one" }, { name: "two" }),
  existingSecret: name,
  externalSecret: fc.record({ enabled: fc.boolean(), storeName: word, key: word }, { requiredKeys: ["storeName"] }),
  config: any({
    LANES: fc.constantFrom(4, "16"),
    GEMINI_MODEL: fc.constantFrom("a", "web-1", "true", "12", "null", "-"),
    GEMINI_BASE_URL: fc.constantFrom(
      "https://a.example/b&c",
      "https://a.example/{{ .Values }}",
      "https://a.example/ü: #é",
    ),
    COLD_MEMORY_THRESHOLD: fc.constantFrom(0.75, "0.5", 1),
    DISCORD_SHARDS: fc.constantFrom("auto", 2),
    MAX_MESSAGE_CHARS: fc.constant(100_000),
    POSTGRES_POOL_MIN_SIZE: fc.constantFrom(0, "0", "", 1, "1"),
    POSTGRES_POOL_MAX_SIZE: fc.constantFrom(1, "1", "", 1_000),
  }),
  settings: any({
    LOG_LEVEL: fc.constantFrom("debug", "warn"),
    GEMINI_TOKENS_PER_MINUTE: fc.constantFrom(1_000_000, "250000"),
  }),
  allInOne: any({
    resources,
    storage: fc.constant("3Gi"),
    storageClassName: fc.constantFrom("", "fast"),
    ...placement,
  }),
  gateway: any({ replicas: fc.integer({ min: 0, max: 9 }), resources, ...placement }),
  worker: workers("none", "keda"),
  postgres: any(bundled),
  redis: any(bundled),
  serviceAccount: fc.oneof(
    any({ create: fc.constant(true), name, annotations: labels }),
    fc.record({ create: fc.constant(false), name: fc.constant("theirs"), annotations: labels }),
  ),
  networkPolicy: any({
    enabled: fc.boolean(),
    monitoringNamespace: word,
    apiServer: peers,
    apiServerPorts: objects({ port: 6443 }).filter((ports) => ports.length > 0),
    databases: peers,
    extraEgress: objects({ to: [{ podSelector: {} }] }, { ports: [{ port: 3128 }] }),
  }),
  podDisruptionBudget: any({ enabled: fc.boolean() }),
  serviceMonitor: any({
    enabled: fc.boolean(),
    interval: fc.constantFrom("15s", "1m"),
    labels,
    statusToken: fc.boolean(),
  }),
  prometheusRule: any({ enabled: fc.boolean(), labels }),
  dashboard: any({ enabled: fc.boolean() }),
  crds: any({ install: fc.boolean() }),
  podAnnotations: labels,
  extraEnv: objects({ name: "A", value: "{{ 1 }}" }, { name: "B", value: "yes" }, ...cloudNativePg.extraEnv),
  extraVolumes: objects({ name: "a", emptyDir: {} }),
  extraVolumeMounts: objects({ name: "a", mountPath: "/a" }),
  extraManifests: objects({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" }, data: { a: "{{ b }}" } }),
});

/** The same, with workers that are scaled by what the PrometheusRule records. */
const measuredSets = fc
  .tuple(anySets, workers("hpa"))
  .map(([set, worker]) => ({ ...set, worker, prometheusRule: { enabled: true } }));

/** The same, whose schema belongs to somebody else than the bot. */
const ownedSets = anySets.map((set) => ({
  ...set,
  topology: "split",
  postgres: { enabled: false },
  migrate: { existingSecret: "owner" },
}));

/** Sets of values as users write them: any of the fields, with words that YAML and Helm could take for something else. */
export const valueSets = fc.oneof(
  { arbitrary: anySets, weight: 12 },
  { arbitrary: measuredSets, weight: 4 },
  { arbitrary: ownedSets, weight: 4 },
  { arbitrary: fc.constant(cloudNativePg), weight: 1 },
);

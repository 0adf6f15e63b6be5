import type { Configuration } from "./configuration.ts";
import type { Component, Identity } from "./identity.ts";
import { smallProcess } from "./small-process.ts";
import { not, type Node, type Values } from "../values/values.ts";

/** What the pods of the three roles differ in. */
export interface BotRole {
  readonly component: Component & ("all-in-one" | "gateway" | "worker");
  /** Where its values are. */
  readonly path: "allInOne" | "gateway" | "worker";
  readonly graceSeconds: number;
  readonly drainSeconds: number;
  /** Whether another container brings the database to its schema before it starts. */
  readonly isMigrated: boolean;
  /** Whether memory is worth more to it than speed. */
  readonly isSmall: boolean;
}

const secretsDir = "/etc/discord-agent/secrets";
const tokenDir = "/var/run/secrets/kubernetes.io/serviceaccount";

/** What a namespace that enforces `restricted` asks of a container, and a root that nobody writes to. */
export const confined = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};

/** What it asks of a pod whose processes run as this user. */
export const unprivileged = (user: number) => ({
  runAsNonRoot: true,
  runAsUser: user,
  runAsGroup: user,
  fsGroup: user,
  fsGroupChangePolicy: "OnRootMismatch",
  seccompProfile: { type: "RuntimeDefault" },
});

/** The template of a pod of the bot. */
export function botPod(values: Values, identity: Identity, configuration: Configuration, role: BotRole): Node {
  const spread = (topologyKey: string) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: identity.podLabels(role.component) },
  });
  const shared = sharedParts(values, identity, configuration);
  return {
    metadata: { labels: identity.podLabels(role.component), annotations: values.unlessEmpty("podAnnotations") },
    spec: {
      serviceAccountName: values.pair(identity.serviceAccount),
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: role.graceSeconds,
      securityContext: unprivileged(65_532),
      imagePullSecrets: values.unlessEmpty("imagePullSecrets"),
      priorityClassName: values.unlessEmpty(`${role.path}.priorityClassName`),
      nodeSelector: values.unlessEmpty(`${role.path}.nodeSelector`),
      tolerations: values.unlessEmpty(`${role.path}.tolerations`),
      affinity: values.unlessEmpty(`${role.path}.affinity`),
      topologySpreadConstraints: [spread("topology.kubernetes.io/zone"), spread("kubernetes.io/hostname")],
      ...(role.isMigrated ? { initContainers: [migration(values, identity, shared)] } : {}),
      containers: [container(values, identity, configuration, role, shared)],
      volumes: volumes(values, identity, role),
    },
  };
}

interface SharedParts {
  readonly image: Node;
  readonly imagePullPolicy: Node;
  readonly envFrom: Node;
  readonly databases: readonly Node[];
}

function sharedParts(values: Values, identity: Identity, configuration: Configuration): SharedParts {
  const url = (path: string, name: string, value: Node) => values.when(values.is(path), { name, value });
  return {
    image: values.pair(identity.image),
    imagePullPolicy: values.value("image.pullPolicy"),
    envFrom: [{ configMapRef: { name: configuration.config } }],
    databases: [
      url(
        "postgres.enabled",
        "POSTGRESQL_URL",
        values.text("postgres://discord_agent@", identity.fullname, "-postgres:5432/discord_agent"),
      ),
      url("redis.enabled", "REDIS_URL", values.text("redis://", identity.fullname, "-redis:6379")),
    ],
  };
}

/** Where it runs, of the downward API. */
const place = [
  ["POD_NAME", "metadata.name"],
  ["POD_NAMESPACE", "metadata.namespace"],
  ["NODE_NAME", "spec.nodeName"],
].map(([name, fieldPath]) => ({ name, valueFrom: { fieldRef: { fieldPath } } }));

/** Where the owner of the schema has a Secret of its own, the bot's URL would hide the one that is in it. */
function migrationEnv(values: Values): Node[] {
  const owned = values.at("migrate.existingSecret");
  return values.items({
    template: 'include "discord-agent.migration-env" . | fromJsonArray',
    literal: () =>
      (values.value("extraEnv") as { readonly name?: unknown }[]).filter(
        ({ name }) => owned.literal() === "" || name !== "POSTGRESQL_URL",
      ),
  });
}

function migration(values: Values, identity: Identity, { image, imagePullPolicy, envFrom, databases }: SharedParts) {
  return {
    name: "migrate",
    image,
    imagePullPolicy,
    env: [
      { name: "ROLE", value: "migrate" },
      { name: "SECRETS_DIR", value: secretsDir },
      ...place,
      ...databases,
      ...migrationEnv(values),
    ],
    envFrom,
    resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "256Mi" } },
    securityContext: confined,
    volumeMounts: [
      { name: "migrate-secrets", mountPath: secretsDir, readOnly: true },
      { name: "tmp", mountPath: "/tmp" },
      ...values.items("extraVolumeMounts"),
    ],
  };
}

function container(
  values: Values,
  identity: Identity,
  configuration: Configuration,
  role: BotRole,
  { image, imagePullPolicy, envFrom, databases }: SharedParts,
) {
  const probe = (path: string, more: object) => ({ httpGet: { path, port: "http" }, timeoutSeconds: 5, ...more });
  return {
    name: "discord-agent",
    image,
    imagePullPolicy,
    ...(role.isSmall ? { args: [...smallProcess.nodeArgs, "dist/main.js"] } : {}),
    ports: [{ name: "http", containerPort: 8000 }],
    env: [
      { name: "ROLE", value: role.component },
      { name: "HEALTH_CHECK_PORT", value: "8000" },
      { name: "AGENTS_FROM", value: "kubernetes" },
      { name: "SECRETS_DIR", value: secretsDir },
      { name: "SETTINGS_CONFIGMAP", value: configuration.settings },
      { name: "TURN_DEADLINE_SECONDS", value: "90" },
      { name: "DRAIN_DEADLINE_SECONDS", value: String(role.drainSeconds) },
      ...place,
      ...(role.isSmall ? Object.entries(smallProcess.env).map(([name, value]) => ({ name, value })) : []),
      ...databases,
      ...values.items("extraEnv"),
    ],
    envFrom,
    resources: values.value(`${role.path}.resources`),
    securityContext: confined,
    startupProbe: probe("/health/live", { periodSeconds: 1, failureThreshold: 120 }),
    livenessProbe: probe("/health/live", { periodSeconds: 10, failureThreshold: 3 }),
    // The first look comes before it can be ready, right after the startup probe: the second one must not be long in coming.
    readinessProbe: probe("/health/ready", { periodSeconds: 1, failureThreshold: 10 }),
    volumeMounts: [
      { name: "secrets", mountPath: secretsDir, readOnly: true },
      { name: "cluster-access", mountPath: tokenDir, readOnly: true },
      { name: "tmp", mountPath: "/tmp" },
      ...(role.component === "all-in-one" ? [{ name: "data", mountPath: "/data" }] : []),
      ...values.items("extraVolumeMounts"),
    ],
  };
}

function volumes(values: Values, identity: Identity, role: BotRole): Node[] {
  const owner = {
    template: `.Values.migrate.existingSecret | default (${identity.secret.template})`,
    literal: () => String(values.value("migrate.existingSecret")) || identity.secret.literal(),
  };
  // Without its Secret the all-in-one says what it lacks; gateways and workers could do nothing and wait for it.
  const optional = role.component === "all-in-one";
  const secret = (name: string, secretName: Node) => ({ name, secret: { secretName, defaultMode: 0o440, optional } });
  return [
    secret("secrets", values.pair(identity.secret)),
    { name: "cluster-access", projected: { defaultMode: 0o440, sources: clusterAccess } },
    { name: "tmp", emptyDir: { sizeLimit: "64Mi" } },
    ...(role.component === "all-in-one" ? data(values, identity) : []),
    ...(role.isMigrated ? [secret("migrate-secrets", values.pair(owner))] : []),
    ...values.items("extraVolumes"),
  ];
}

/** Where the embedded database is, and nothing where Postgres is beside the bot. */
function data(values: Values, identity: Identity): Node[] {
  const isBeside = values.is("postgres.enabled");
  const claim = { claimName: identity.name("data") };
  return [
    values.when(isBeside, { name: "data", emptyDir: { sizeLimit: "64Mi" } }),
    values.when(not(isBeside), { name: "data", persistentVolumeClaim: claim }),
  ];
}

/** What the kubelet would mount into every container of the pod, for the one that needs it. */
const clusterAccess = [
  { serviceAccountToken: { path: "token", expirationSeconds: 3607 } },
  { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
  { downwardAPI: { items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }] } },
];

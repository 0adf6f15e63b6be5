import { Construct } from "constructs";
import type { Values } from "../values/values.ts";
import { confined, unprivileged } from "./bot-pod.ts";
import type { Component, Identity } from "./identity.ts";
import { Manifest } from "./manifest.ts";

/** What a bundled database differs in. */
interface Database {
  readonly component: Component & ("postgres" | "redis");
  readonly port: number;
  readonly user: number;
  readonly mountPath: string;
  readonly env: readonly object[];
  readonly args: readonly string[];
  /** Succeeds when it can be used. */
  readonly probe: readonly string[];
  readonly resources: object;
}

const postgres: Database = {
  component: "postgres",
  port: 5432,
  user: 999,
  mountPath: "/var/lib/postgresql",
  env: [
    { name: "POSTGRES_USER", value: "discord_agent" },
    { name: "POSTGRES_DB", value: "discord_agent" },
    // No password that everybody could read in a public file: the NetworkPolicy says who reaches it.
    { name: "POSTGRES_HOST_AUTH_METHOD", value: "trust" },
    { name: "PGDATA", value: "/var/lib/postgresql/18/docker" },
  ],
  args: [],
  probe: ["pg_isready", "-h", "127.0.0.1", "-U", "discord_agent", "-d", "discord_agent"],
  resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { memory: "1Gi" } },
};

const redis: Database = {
  component: "redis",
  port: 6379,
  user: 999,
  mountPath: "/data",
  env: [],
  args: ["redis-server", "--appendonly", "yes", "--maxmemory", "256mb", "--maxmemory-policy", "volatile-lru"],
  probe: ["redis-cli", "ping"],
  resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "384Mi" } },
};

/** Postgres and Redis beside the bot, one pod each with a volume of its own: for trying out. */
export class Databases extends Construct {
  constructor(scope: Construct, values: Values, identity: Identity) {
    super(scope, "databases");
    for (const database of [postgres, redis]) new StatefulDatabase(this, values, identity, database);
  }
}

class StatefulDatabase extends Construct {
  constructor(scope: Construct, values: Values, identity: Identity, database: Database) {
    const { component, port } = database;
    super(scope, component);
    const onlyIf = values.is(`${component}.enabled`);
    const metadata = identity.metadata(component, { component });
    const selector = identity.podLabels(component);
    new Manifest(this, "service", {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: { clusterIP: "None", selector, ports: [{ name: component, port, targetPort: component }] },
      onlyIf,
    });
    new Manifest(this, "set", {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata,
      spec: {
        serviceName: identity.name(component),
        replicas: 1,
        selector: { matchLabels: selector },
        template: { metadata: { labels: selector }, spec: podOf(values, database) },
        persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
        volumeClaimTemplates: [claimOf(values, database)],
      },
      onlyIf,
    });
  }
}

function podOf(values: Values, { component, port, user, mountPath, env, args, probe, resources }: Database) {
  const scratch = component === "postgres" ? [{ name: "run", mountPath: "/var/run/postgresql" }] : [];
  const mounts = [{ name: "data", mountPath }, { name: "tmp", mountPath: "/tmp" }, ...scratch];
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 60,
    securityContext: unprivileged(user),
    imagePullSecrets: values.unlessEmpty("imagePullSecrets"),
    containers: [
      {
        name: component,
        image: values.value(`${component}.image`),
        imagePullPolicy: "IfNotPresent",
        ...(args.length === 0 ? {} : { args }),
        ...(env.length === 0 ? {} : { env }),
        ports: [{ name: component, containerPort: port }],
        resources,
        securityContext: confined,
        readinessProbe: { exec: { command: probe }, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3 },
        livenessProbe: {
          tcpSocket: { port: component },
          initialDelaySeconds: 60,
          periodSeconds: 20,
          timeoutSeconds: 5,
        },
        volumeMounts: mounts,
      },
    ],
    volumes: mounts.slice(1).map(({ name }) => ({ name, emptyDir: { sizeLimit: "64Mi" } })),
  };
}

function claimOf(values: Values, { component }: Database) {
  const storageClass = `${component}.storageClassName`;
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "data" },
    spec: {
      accessModes: ["ReadWriteOnce"],
      volumeMode: "Filesystem",
      storageClassName: values.unlessEmpty(storageClass),
      resources: { requests: { storage: values.value(`${component}.storage`) } },
    },
  };
}

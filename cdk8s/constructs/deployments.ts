import { Construct } from "constructs";
import { botPod, type BotRole } from "./bot-pod.ts";
import type { Configuration } from "./configuration.ts";
import type { Identity } from "./identity.ts";
import { Manifest } from "./manifest.ts";
import { type Condition, type Node, type Values } from "../values/values.ts";

const allInOne: BotRole = {
  component: "all-in-one",
  path: "allInOne",
  graceSeconds: 120,
  drainSeconds: 100,
  isMigrated: false,
  isSmall: false,
};
const gateway: BotRole = {
  component: "gateway",
  path: "gateway",
  graceSeconds: 30,
  drainSeconds: 20,
  isMigrated: true,
  isSmall: true,
};
const worker: BotRole = {
  component: "worker",
  path: "worker",
  graceSeconds: 120,
  drainSeconds: 100,
  isMigrated: true,
  isSmall: false,
};

/** A surge pod is warm before the one it replaces lets go: shards are leased, not numbered. */
const rolling = { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };

/** The Deployments of one release: either one that does everything, or gateways and workers. */
export class Deployments extends Construct {
  constructor(scope: Construct, values: Values, identity: Identity, configuration: Configuration) {
    super(scope, "deployments");
    const deployment = (role: BotRole, onlyIf: Condition, replicas: Node, strategy: object) =>
      new Manifest(this, role.component, {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: identity.metadata(role.component, { component: role.component }),
        spec: {
          replicas,
          revisionHistoryLimit: 5,
          strategy,
          selector: { matchLabels: identity.podLabels(role.component) },
          template: botPod(values, identity, configuration, role),
        },
        onlyIf,
      });
    const isSplit = values.equals("topology", "split");
    const isFixed = values.equals("worker.autoscaling.kind", "none");
    deployment(allInOne, values.equals("topology", "all-in-one"), 1, { type: "Recreate" });
    deployment(gateway, isSplit, values.value("gateway.replicas"), rolling);
    deployment(worker, isSplit, values.when(isFixed, values.value("worker.replicas")), rolling);
  }
}

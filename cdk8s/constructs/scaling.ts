import { Construct } from "constructs";
import { all, type Values } from "../values/values.ts";
import type { Identity } from "./identity.ts";
import { Manifest } from "./manifest.ts";
import { waitingMessages } from "./monitoring.ts";

const path = "worker.autoscaling";

/** How many pods there are: how many may be away at once, and how many workers the waiting messages want. */
export class Scaling extends Construct {
  constructor(scope: Construct, values: Values, identity: Identity) {
    super(scope, "scaling");
    this.#disruption(values, identity);
    const isSplit = values.equals("topology", "split");
    const target = { apiVersion: "apps/v1", kind: "Deployment", name: identity.name("worker") };
    new Manifest(this, "hpa", {
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: identity.metadata("worker", { component: "worker" }),
      spec: {
        scaleTargetRef: target,
        minReplicas: values.value(`${path}.minReplicas`),
        maxReplicas: values.value(`${path}.maxReplicas`),
        metrics: [
          {
            type: "External",
            external: {
              metric: { name: waitingMessages },
              target: { type: "AverageValue", averageValue: values.text(values.at(`${path}.waitingMessages`)) },
            },
          },
        ],
        behavior,
      },
      onlyIf: all(isSplit, values.equals(`${path}.kind`, "hpa")),
    });
    new Manifest(this, "scaled-object", {
      apiVersion: "keda.sh/v1alpha1",
      kind: "ScaledObject",
      metadata: identity.metadata("worker", { component: "worker" }),
      spec: {
        scaleTargetRef: target,
        minReplicaCount: values.value(`${path}.minReplicas`),
        maxReplicaCount: values.value(`${path}.maxReplicas`),
        advanced: { horizontalPodAutoscalerConfig: { behavior } },
        triggers: [
          {
            type: "prometheus",
            metadata: {
              serverAddress: values.value(`${path}.prometheusUrl`),
              query: values.text(`max(discord_agent_inbox_waiting_messages{namespace="`, identity.namespace, `"})`),
              threshold: values.text(values.at(`${path}.waitingMessages`)),
            },
          },
        ],
      },
      onlyIf: all(isSplit, values.equals(`${path}.kind`, "keda")),
      foreign: { wantedBy: `${path}.kind`, installedBy: "KEDA", otherwise: "hpa or none" },
    });
  }

  #disruption(values: Values, identity: Identity): void {
    for (const component of ["gateway", "worker"] as const)
      new Manifest(this, `${component}-disruption`, {
        apiVersion: "policy/v1",
        kind: "PodDisruptionBudget",
        metadata: identity.metadata(component, { component }),
        spec: {
          maxUnavailable: 1,
          selector: { matchLabels: identity.podLabels(component) },
          unhealthyPodEvictionPolicy: "AlwaysAllow",
        },
        onlyIf: all(values.equals("topology", "split"), values.is("podDisruptionBudget.enabled")),
      });
  }
}

/** Up as soon as people wait, down slowly: a worker that goes finishes its turns first. */
const behavior = {
  scaleUp: { stabilizationWindowSeconds: 0, policies: [{ type: "Pods", value: 4, periodSeconds: 15 }] },
  scaleDown: { stabilizationWindowSeconds: 300, policies: [{ type: "Pods", value: 1, periodSeconds: 60 }] },
};

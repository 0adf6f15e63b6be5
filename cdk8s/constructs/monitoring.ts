import { Construct } from "constructs";
import type { Values } from "../values/values.ts";
import { alertGroups } from "./alerts.ts";
import { dashboard } from "./dashboard.ts";
import type { Identity } from "./identity.ts";
import { Manifest } from "./manifest.ts";

/** The metric that workers are scaled by: every pod tells the same number of one inbox, so the largest is taken, not the sum. */
export const waitingMessages = "discord_agent_waiting_messages";

const operator = { installedBy: "the Prometheus Operator", otherwise: "false" };

/** What Prometheus and Grafana are told: where the metrics are, what to alert of, what to draw. */
export class Monitoring extends Construct {
  constructor(scope: Construct, values: Values, identity: Identity) {
    super(scope, "monitoring");
    // Pods that are not ready are read too: an alert about them is what monitoring is for.
    new Manifest(this, "service", {
      apiVersion: "v1",
      kind: "Service",
      metadata: identity.metadata(),
      spec: {
        clusterIP: "None",
        publishNotReadyAddresses: true,
        selector: identity.botLabels(),
        ports: [{ name: "http", port: 8000, targetPort: "http" }],
      },
    });
    const hasToken = values.is("serviceMonitor.statusToken");
    new Manifest(this, "service-monitor", {
      apiVersion: "monitoring.coreos.com/v1",
      kind: "ServiceMonitor",
      metadata: identity.metadata(undefined, { labels: values.entries("serviceMonitor.labels") }),
      spec: {
        selector: { matchLabels: identity.botLabels() },
        endpoints: [
          {
            port: "http",
            path: "/metrics",
            interval: values.value("serviceMonitor.interval"),
            authorization: values.when(hasToken, {
              credentials: { name: values.pair(identity.secret), key: "STATUS_TOKEN" },
            }),
          },
        ],
      },
      onlyIf: values.is("serviceMonitor.enabled"),
      foreign: { ...operator, wantedBy: "serviceMonitor.enabled" },
    });
    new Manifest(this, "rule", {
      apiVersion: "monitoring.coreos.com/v1",
      kind: "PrometheusRule",
      metadata: identity.metadata(undefined, { labels: values.entries("prometheusRule.labels") }),
      spec: { groups: alertGroups(waitingMessages) },
      onlyIf: values.is("prometheusRule.enabled"),
      foreign: { ...operator, wantedBy: "prometheusRule.enabled" },
    });
    new Manifest(this, "dashboard", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: identity.metadata("dashboard", { labels: { grafana_dashboard: "1" } }),
      data: { "discord-agent.json": dashboard() },
      onlyIf: values.is("dashboard.enabled"),
    });
  }
}

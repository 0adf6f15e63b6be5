import { Construct } from "constructs";
import { not, type Node, type Values } from "../values/values.ts";
import type { Component, Identity } from "./identity.ts";
import { Manifest } from "./manifest.ts";

const tcp = (...ports: (number | string)[]) => ports.map((port) => ({ protocol: "TCP", port }));
const elsewhere = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"];
/** The cluster's DNS, and the cache of it that many clusters run on each node. */
const dns = {
  to: [{ namespaceSelector: {} }, { ipBlock: { cidr: "169.254.20.10/32" } }],
  ports: [
    { protocol: "UDP", port: 53 },
    { protocol: "TCP", port: 53 },
  ],
};
const internet = { to: [{ ipBlock: { cidr: "0.0.0.0/0", except: elsewhere } }], ports: tcp(443) };

/** One policy that denies everything to every pod of the release, and one for each kind of pod that allows what it needs. */
export class Network extends Construct {
  constructor(scope: Construct, values: Values, identity: Identity) {
    super(scope, "network");
    const bot = { podSelector: { matchLabels: identity.botLabels() } };
    const only = (component: Component) => ({ podSelector: { matchLabels: identity.podLabels(component) } });
    const policy = (id: string, spec: object, database?: "postgres" | "redis") =>
      new Manifest(this, id, {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: identity.metadata(id),
        spec,
        onlyIf: database === undefined ? enabled : values.is(`${database}.enabled`),
      });
    const enabled = values.is("networkPolicy.enabled");
    policy("deny", { podSelector: { matchLabels: identity.releaseLabels() }, policyTypes: ["Ingress", "Egress"] });
    const monitoring = {
      namespaceSelector: {
        matchLabels: { "kubernetes.io/metadata.name": values.value("networkPolicy.monitoringNamespace") },
      },
    };
    policy("bot", {
      ...bot,
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: [monitoring, only("release-test")], ports: tcp("http") }],
      egress: botEgress(values, only),
    });
    // Made whether the others are or not: nothing else keeps strangers from a database without a password.
    for (const [name, port] of [
      ["postgres", 5432],
      ["redis", 6379],
    ] as const)
      policy(
        name,
        { ...only(name), policyTypes: ["Ingress", "Egress"], ingress: [{ from: [bot], ports: tcp(port) }] },
        name,
      );
    policy("release-test", {
      ...only("release-test"),
      policyTypes: ["Egress"],
      egress: [dns, { to: [bot], ports: tcp("http") }],
    });
  }
}

function botEgress(values: Values, only: (component: Component) => object): Node[] {
  const isBeside = (database: string) => values.is(`${database}.enabled`);
  const own = (database: string, ...ports: number[]) =>
    values.when(not(isBeside(database)), { to: values.value("networkPolicy.databases"), ports: tcp(...ports) });
  return [
    dns,
    internet,
    { to: values.value("networkPolicy.apiServer"), ports: values.value("networkPolicy.apiServerPorts") },
    values.when(isBeside("postgres"), { to: [only("postgres")], ports: tcp(5432) }),
    values.when(isBeside("redis"), { to: [only("redis")], ports: tcp(6379) }),
    own("postgres", 5432, 6432),
    own("redis", 6379, 6380, 26_379),
    ...values.items("networkPolicy.extraEgress"),
  ];
}

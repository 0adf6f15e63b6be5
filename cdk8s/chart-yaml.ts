import { stringify } from "yaml";
import { agentCrd } from "./crd.ts";
import { home } from "./home.ts";
import type { ValueSet } from "./values/values-schema.ts";

/** One line of what a version brought, in the words of Artifact Hub. */
interface Change {
  readonly kind: "added" | "changed" | "deprecated" | "removed" | "fixed" | "security";
  readonly description: string;
}

const changes: Readonly<Record<string, readonly Change[]>> = {
  "0.1.0": [
    { kind: "added", description: "Topologies all-in-one, for one pod, and split, for gateways and workers" },
    { kind: "added", description: "The custom resource Agent, followed by running pods without a rollout" },
    { kind: "added", description: "Scaling by waiting messages, alerts, a dashboard, NetworkPolicies" },
  ],
};

/** Chart.yaml, with what Artifact Hub shows of the chart. Throws for a version of which nothing says what it changes. */
export function chartYaml(version: string, defaults: ValueSet): object {
  const its = changes[version];
  if (its === undefined) throw new Error(`cdk8s/chart-yaml.ts: say under changes what version ${version} changes`);
  return {
    apiVersion: "v2",
    name: "discord-agent",
    description: "A Kubernetes-native, multi-agent AI bot for Discord that keeps every message until it is answered",
    type: "application",
    version,
    appVersion: version,
    kubeVersion: ">=1.31.0-0",
    keywords: ["discord", "bot", "ai", "agents", "gemini"],
    home,
    sources: [home],
    maintainers: [{ name: "The discord-agent maintainers", url: home }],
    annotations: {
      "artifacthub.io/license": "Apache-2.0",
      "artifacthub.io/category": "ai-machine-learning",
      "artifacthub.io/images": text(images(version, defaults)),
      "artifacthub.io/crds": text([crd()]),
      "artifacthub.io/crdsExamples": text([example]),
      "artifacthub.io/links": text(links),
      "artifacthub.io/changes": text(its),
    },
  };
}

/** Annotations are texts, and theirs are YAML. */
const text = (value: unknown) => stringify(value, { lineWidth: 0 });

function images(version: string, { image, postgres, redis }: ValueSet): object[] {
  return [
    { name: "discord-agent", image: `${image.repository}:${version}` },
    { name: "postgres", image: postgres.image },
    { name: "redis", image: redis.image },
  ];
}

function crd(): object {
  const { metadata, spec } = agentCrd() as {
    metadata: { name: string };
    spec: { names: { kind: string }; versions: readonly { name: string }[] };
  };
  return {
    kind: spec.names.kind,
    version: spec.versions[0]?.name,
    name: metadata.name,
    displayName: "Agent",
    description: "One agent of the bot",
  };
}

const example = {
  apiVersion: "discord-agent.dev/v1alpha1",
  kind: "Agent",
  metadata: { name: "mira" },
  spec: {
    displayName: "Mira",
    description: "Plans events and keeps track of who promised what",
    prompt: "You are Mira. You help a community to plan its events.",
  },
};

const links = [
  { name: "Documentation", url: `${home}/tree/main/docs` },
  { name: "On Kubernetes", url: `${home}/blob/main/docs/kubernetes.md` },
  { name: "Support", url: `${home}/issues` },
];

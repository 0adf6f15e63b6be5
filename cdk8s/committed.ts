import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { agentReference } from "./agent-reference.ts";
import { chartFiles } from "./chart.ts";
import { agentCrd } from "./crd.ts";
import { manifestFiles } from "./manifests.ts";
import { valuesSchema } from "./values/values-schema.ts";
import { yamlText } from "./yaml-text.ts";

const apiVersion = "kustomize.config.k8s.io/v1beta1";

/** The folders that `npm run synth` writes into the repository at `root`, with the texts of their files. */
export function committed(root: string, version: string): Map<string, Map<string, string>> {
  const read = (path: string) => readFileSync(join(root, path), "utf8");
  const place = { name: "discord-agent", namespace: "discord-agent", version };
  const valuesIn = (path: string) => valuesSchema.parse(parse(read(path)));
  const crds = new Map([
    ["Kustomization", yamlText([{ apiVersion, kind: "Kustomization", resources: ["agents.yaml"] }])],
    ["agents.yaml", yamlText([agentCrd()])],
  ]);
  return new Map([
    ["k8s/crds", crds],
    ["k8s/trial", manifestFiles({ ...place, values: valuesIn("cdk8s/trial.yaml"), agents: read("agents.yaml") })],
    ["k8s/production", manifestFiles({ ...place, values: valuesIn("cdk8s/production.yaml") })],
    ["charts/discord-agent", chartFiles(version)],
    ["docs/reference", new Map([["agent.md", agentReference(agentCrd())]])],
  ]);
}

import { agentsIn } from "./agents-text.ts";
import { identityOf, type Identity } from "./constructs/identity.ts";
import { installedFirst, literalObjects } from "./emit.ts";
import { releaseObjects } from "./release.ts";
import { secretFile } from "./secrets.ts";
import { literalValues } from "./values/literal-values.ts";
import type { ValueSet } from "./values/values-schema.ts";
import { yamlText } from "./yaml-text.ts";

/** What makes one folder of manifests. */
export interface ManifestsOptions {
  readonly values: ValueSet;
  readonly name: string;
  readonly namespace: string;
  readonly version: string;
  /** Values of the Secret, by their variables; without it the Secret is made by hand or by an operator. */
  readonly secret?: Readonly<Record<string, string>>;
  /** Agents that come with it, as the text of a file. */
  readonly agents?: string;
}

/** The files of a folder for `kubectl apply -k` and `-f`: names are in the order in which `-f` reads them. */
export function manifestFiles(options: ManifestsOptions): Map<string, string> {
  const { values, namespace, secret, agents } = options;
  const release = releaseFor(options);
  const facade = literalValues(values);
  const objects = literalObjects(releaseObjects(facade, release, values));
  const files = new Map([
    ["00-namespace.yaml", yamlText([namespaceObject(namespace)])],
    ...(secret === undefined
      ? []
      : ([[secretFile, yamlText([secretObject(identityOf(facade, release, values), namespace, secret)])]] as const)),
    ["10-discord-agent.yaml", yamlText([...objects, ...values.extraManifests])],
    ...(agents === undefined ? [] : ([["20-agents.yaml", agentsIn(namespace, agents)]] as const)),
  ]);
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    namespace,
    resources: [...files.keys()],
  };
  // Without an ending, so that `kubectl apply -f` of the folder leaves it alone.
  return new Map([["Kustomization", yamlText([kustomization])], ...files]);
}

/** One sentence of what the cluster must know before these manifests are applied, as `kubectl apply` asks nobody and applies the rest; null: nothing. */
export function neededFirst(options: ManifestsOptions): string | null {
  const installers = installedFirst(releaseObjects(literalValues(options.values), releaseFor(options), options.values));
  if (installers.size === 0) return null;
  const all = [...installers].map(([installer, kinds]) => `${installer} (${kinds.join(", ")})`).join(", ");
  return `install ${all} first: kubectl apply fails for a kind that the cluster does not know, and applies the rest`;
}

const releaseFor = ({ name, namespace, version }: ManifestsOptions) => ({
  name,
  namespace,
  version,
  manager: "kubectl",
});

function namespaceObject(namespace: string) {
  const level = (mode: string) => [`pod-security.kubernetes.io/${mode}`, "restricted"];
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: namespace, labels: Object.fromEntries(["enforce", "audit", "warn"].map(level)) },
  };
}

function secretObject({ secret }: Identity, namespace: string, values: Readonly<Record<string, string>>) {
  const metadata = { name: secret.literal(), namespace };
  return { apiVersion: "v1", kind: "Secret", metadata, type: "Opaque", stringData: values };
}

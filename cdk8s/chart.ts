import type { ApiObject } from "cdk8s";
import * as z from "zod";
import { readme, valuesYaml } from "./chart-values.ts";
import { chartYaml } from "./chart-yaml.ts";
import { identityOf, nameTemplates, type Identity } from "./constructs/identity.ts";
import { conditionOf, foreignOf } from "./constructs/manifest.ts";
import { agentCrd } from "./crd.ts";
import { releaseObjects } from "./release.ts";
import { ruleTemplates } from "./values/rules.ts";
import { templateText } from "./values/template-text.ts";
import { templateValues } from "./values/template-values.ts";
import { valuesSchema } from "./values/values-schema.ts";
import type { Values } from "./values/values.ts";
import { yamlText } from "./yaml-text.ts";

const note = "{{- /* Made by `npm run synth`; edit what it is made from, in cdk8s/. */ -}}\n";

/** All files of the Helm chart: the same constructs as k8s/, over values that only Helm knows. */
export function chartFiles(version: string): Map<string, string> {
  const values = templateValues();
  const defaults = valuesSchema.parse({});
  const release = { name: "", namespace: "", version, manager: "" };
  const objects = releaseObjects(values, release, defaults);
  return new Map([
    ["Chart.yaml", yamlText([chartYaml(version, defaults)])],
    ["values.yaml", valuesYaml()],
    ["values.schema.json", `${JSON.stringify(jsonSchema(), null, 1)}\n`],
    ["README.md", readme()],
    [".helmignore", "ci/\n"],
    ["templates/_names.tpl", nameTemplates],
    ...templates(objects),
    ["templates/agents-crd.yaml", note + crdTemplate()],
    ["templates/extra-manifests.yaml", `${note}{{- range .Values.extraManifests }}\n---\n{{ toJson . }}\n{{- end }}\n`],
    ["templates/rules.yaml", note + ruleTemplates],
    ["templates/release-test.yaml", note + templateText(releaseTest(), null)],
    ["templates/NOTES.txt", notes],
    ...Object.entries(examples).map(([name, value]) => [`ci/${name}-values.yaml`, yamlText([value])] as const),
  ]);

  function releaseTest() {
    const identity = identityOf(values, release, defaults);
    return releaseTestPod(values, identity);
  }
}

/** One file for each room of constructs. */
function templates(objects: readonly ApiObject[]): [string, string][] {
  const rooms = Map.groupBy(objects, (object) => object.node.path.split("/")[1] ?? "release");
  return [...rooms].map(([room, its]) => {
    const texts = its.map((object) =>
      templateText(object.toJson() as object as never, conditionOf(object)?.template ?? null, refusal(object)),
    );
    return [`templates/${room}.yaml`, note + texts.join("")];
  });
}

/**
 * Ends the rendering with a sentence where the cluster lacks the kind of an object. Only after Helm has asked a cluster does it know kinds besides groups:
 * `helm template` of a GitOps tool that names no `--api-versions` refuses nothing.
 */
function refusal(object: ApiObject): string {
  const foreign = foreignOf(object);
  if (foreign === null) return "";
  const { apiVersion, kind } = object;
  const { wantedBy, installedBy, otherwise } = foreign;
  const sentence = `${wantedBy}: the cluster does not know ${apiVersion} ${kind}; install ${installedBy} first, or set the value to ${otherwise}`;
  const has = (name: string) => `(.Capabilities.APIVersions.Has ${JSON.stringify(name)})`;
  return `{{- if and ${has("v1/ConfigMap")} (not ${has(`${apiVersion}/${kind}`)}) }}
{{- fail ${JSON.stringify(sentence)} }}
{{- end }}
`;
}

function crdTemplate(): string {
  const crd = agentCrd() as { metadata: object };
  const kept = { ...crd, metadata: { ...crd.metadata, annotations: { "helm.sh/resource-policy": "keep" } } };
  return templateText(kept, ".Values.crds.install");
}

/** Asks the bot's pods for their readiness from within the cluster; a new pod may have to wait for the network to know it. */
function releaseTestPod(values: Values, identity: Identity) {
  const ask = `const url = "http://" + process.env.TARGET + ":8000/health/ready";
for (let left = 30; left > 0; left -= 1) {
  const said = await fetch(url, { signal: AbortSignal.timeout(5000) }).then((answer) => answer.status, (error) => String(error.cause ?? error));
  console.log(url, said);
  if (said === 200) process.exit(0);
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
process.exit(1);`;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...identity.metadata("test", { component: "release-test" }),
      annotations: { "helm.sh/hook": "test", "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded" },
    },
    spec: {
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: "RuntimeDefault" } },
      imagePullSecrets: values.unlessEmpty("imagePullSecrets"),
      containers: [
        {
          name: "ask",
          image: values.pair(identity.image),
          imagePullPolicy: values.value("image.pullPolicy"),
          args: ["--input-type=module", "--eval", ask],
          env: [{ name: "TARGET", value: identity.name() }],
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
          resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "128Mi" } },
        },
      ],
    },
  };
}

/** What Helm checks values against before it renders anything. */
function jsonSchema() {
  return z.toJSONSchema(valuesSchema, { io: "input", target: "draft-7" });
}

const notes = `{{- $name := include "discord-agent.fullname" . -}}
{{- $secret := .Values.existingSecret | default $name -}}
discord-agent {{ .Chart.AppVersion }} is installed as {{ $name }} in {{ .Release.Namespace }} ({{ .Values.topology }}).

1. Its secrets, {{ if .Values.externalSecret.enabled }}which External Secrets brings{{ else }}once{{ end }}; the pods wait for them{{ if eq .Values.topology "all-in-one" }} or say in /status what is missing{{ end }}:
{{- if .Values.externalSecret.enabled }}
     kubectl -n {{ .Release.Namespace }} wait --for=condition=Ready externalsecret/{{ $secret }}
{{- else }}
     kubectl -n {{ .Release.Namespace }} create secret generic {{ $secret }} \\
       --from-literal=DISCORD_TOKEN=… --from-literal=GEMINI_API_KEY=…{{ if not .Values.postgres.enabled }} --from-literal=POSTGRESQL_URL=…{{ end }}{{ if not .Values.redis.enabled }} --from-literal=REDIS_URL=…{{ end }}
{{- end }}
2. Its agents:
     kubectl -n {{ .Release.Namespace }} apply -f agents.yaml
     kubectl -n {{ .Release.Namespace }} get dagent
3. How it is:
     helm -n {{ .Release.Namespace }} test {{ .Release.Name }}
     kubectl -n {{ .Release.Namespace }} port-forward svc/{{ $name }} 8000
{{- if or .Values.postgres.enabled .Values.redis.enabled }}

The bundled databases have no backup and no password: they are for trying out.
{{- end }}
`;

/** Values of each feature, for CI and for whoever looks for an example. */
const examples: Readonly<Record<string, object>> = {
  split: { topology: "split" },
  production: { topology: "split", postgres: { enabled: false }, redis: { enabled: false } },
  monitoring: {
    serviceMonitor: { enabled: true, labels: { release: "prometheus" } },
    prometheusRule: { enabled: true },
    dashboard: { enabled: true },
  },
  hpa: {
    topology: "split",
    prometheusRule: { enabled: true },
    worker: { autoscaling: { kind: "hpa", minReplicas: 1, maxReplicas: 3 } },
  },
  keda: { topology: "split", worker: { autoscaling: { kind: "keda" } } },
  "external-secret": { externalSecret: { enabled: true, storeName: "vault" } },
  "cloudnative-pg": {
    topology: "split",
    postgres: { enabled: false },
    extraEnv: [{ name: "POSTGRESQL_URL", valueFrom: { secretKeyRef: { name: "memory-app", key: "uri" } } }],
    networkPolicy: { databases: [{ podSelector: { matchLabels: { "cnpg.io/cluster": "memory" } } }] },
  },
  settings: {
    config: { LANES: 16, DISCORD_SHARDS: "auto" },
    settings: { LOG_LEVEL: "debug", GEMINI_REQUESTS_PER_MINUTE: 60 },
  },
  extras: {
    extraEnv: [{ name: "NODE_OPTIONS", value: "--max-old-space-size=384" }],
    extraVolumes: [{ name: "certificates", configMap: { name: "certificates" } }],
    extraVolumeMounts: [{ name: "certificates", mountPath: "/certificates", readOnly: true }],
    podAnnotations: { "example.org/owner": "community" },
    imagePullSecrets: [{ name: "registry" }],
    image: { digest: `sha256:${"0".repeat(64)}` },
    extraManifests: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "note" }, data: { text: "more" } }],
  },
};

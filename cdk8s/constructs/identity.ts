import type { Node, Pair, Values } from "../values/values.ts";
import type { ValueSet } from "../values/values-schema.ts";

/** What a release is called and where it is: Helm knows it, and for manifests it is given. */
export interface Release {
  readonly name: string;
  readonly namespace: string;
  /** The version of the bot. */
  readonly version: string;
  /** Who applies the objects. */
  readonly manager: string;
}

/** The parts of the bot that have pods, as the label `app.kubernetes.io/component` has them. */
export type Component = "all-in-one" | "gateway" | "worker" | "postgres" | "redis" | "release-test";

const application = "discord-agent";

/** Names and labels of all objects of a release. Selectors are made of what never changes. */
export interface Identity {
  readonly fullname: Pair<string>;
  /** The name of an object: that of the release, with what it is. */
  name(suffix?: string): Node;
  /** For `metadata` of an object. */
  metadata(
    suffix?: string,
    more?: { component?: Component; labels?: object; annotations?: Node },
  ): Record<string, Node>;
  /** Labels of pods: those of the selector. They hold no version, so that a release without changes restarts nothing. */
  podLabels(component: Component): Record<string, Node>;
  /** What selects all pods of the bot itself, and none of its databases. */
  botLabels(): Record<string, Node>;
  /** What selects all pods of the release. */
  releaseLabels(): Record<string, Node>;
  readonly namespace: Pair<string>;
  /** The Secret with the variables that are secret. */
  readonly secret: Pair<string>;
  readonly serviceAccount: Pair<string>;
  readonly image: Pair<string>;
}

/** The identity of a release. `data` is read only where values are literal. */
export function identityOf(values: Values, release: Release, data: ValueSet): Identity {
  const fullname = { template: 'include "discord-agent.fullname" .', literal: () => fullnameOf(data, release) };
  const namespace = { template: ".Release.Namespace", literal: () => release.namespace };
  const pick = (template: string, own: string): Pair<string> => ({
    template: `${template} | default (${fullname.template})`,
    literal: () => own || fullname.literal(),
  });
  const name = (suffix?: string) =>
    suffix === undefined ? values.pair(fullname) : values.text(fullname, `-${suffix}`);
  const instance = values.pair({ template: ".Release.Name", literal: () => release.name });
  const labels = (component?: Component) => ({
    "app.kubernetes.io/name": isDatabase(component) || component === "release-test" ? component : application,
    "app.kubernetes.io/instance": instance,
    ...(component === undefined ? {} : { "app.kubernetes.io/component": component }),
  });
  const managed = {
    "app.kubernetes.io/part-of": application,
    "app.kubernetes.io/managed-by": values.pair({ template: ".Release.Service", literal: () => release.manager }),
    "app.kubernetes.io/version": values.pair({ template: ".Chart.AppVersion", literal: () => release.version }),
  };
  return {
    fullname,
    namespace,
    name,
    metadata: (suffix, more = {}) => ({
      name: name(suffix),
      namespace: values.pair(namespace),
      labels: { ...labels(more.component), ...managed, ...more.labels },
      ...(more.annotations === undefined ? {} : { annotations: more.annotations }),
    }),
    podLabels: labels,
    botLabels: () => labels(),
    releaseLabels: () => ({ "app.kubernetes.io/instance": instance }),
    secret: pick(".Values.existingSecret", data.existingSecret),
    serviceAccount: pick(".Values.serviceAccount.name", data.serviceAccount.name),
    image: { template: 'include "discord-agent.image" .', literal: () => imageOf(data, release) },
  };
}

function isDatabase(component: Component | undefined): boolean {
  return component === "postgres" || component === "redis";
}

function fullnameOf({ fullnameOverride, nameOverride }: ValueSet, { name }: Release): string {
  const own = nameOverride || application;
  return cut(fullnameOverride || (name.includes(own) ? name : `${name}-${own}`));
}

/** Leaves room for the longest that is made of it, a label of 63 characters: `-postgres-` and a StatefulSet's hash of ten. */
function cut(name: string): string {
  return name.slice(0, 43).replace(/-$/, "");
}

function imageOf({ image: { repository, tag, digest } }: ValueSet, { version }: Release): string {
  return digest === "" ? `${repository}:${tag || version}` : `${repository}@${digest}`;
}

/** Names as the templates of the chart include them; the same as above, in Helm's words. */
export const nameTemplates = `{{- define "discord-agent.fullname" -}}
{{- $own := .Values.nameOverride | default "${application}" -}}
{{- $both := contains $own .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $own) -}}
{{- .Values.fullnameOverride | default $both | trunc 43 | trimSuffix "-" -}}
{{- end -}}

{{- define "discord-agent.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "discord-agent.strings" -}}
{{- $strings := dict -}}
{{- range $key, $value := . -}}
{{- $_ := set $strings $key (kindIs "string" $value | ternary $value (toJson $value)) -}}
{{- end -}}
{{- toJson $strings -}}
{{- end -}}

{{- define "discord-agent.migration-env" -}}
{{- $env := list -}}
{{- range .Values.extraEnv -}}
{{- if not (and $.Values.migrate.existingSecret (eq (toString .name) "POSTGRESQL_URL")) -}}
{{- $env = append $env . -}}
{{- end -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}
`;

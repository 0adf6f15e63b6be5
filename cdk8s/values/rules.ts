import { table } from "../../src/config-variables.ts";
import type { ValueSet } from "./values-schema.ts";
import { textsOf } from "./variable-value.ts";

/** What several values must be together: JSON Schema has no words for it, so that the chart says it while it is rendered. */
interface Rule {
  readonly path: readonly string[];
  /** Goes on where the path ends. */
  readonly problem: string;
  readonly isBroken: (values: ValueSet) => boolean;
  /** The same for Helm. */
  readonly template: string;
}

const autoscaling = ".Values.worker.autoscaling";

type Limit = "POSTGRES_POOL_MIN_SIZE" | "POSTGRES_POOL_MAX_SIZE";
const limitOf = ({ config }: ValueSet, name: Limit) => Number(textsOf(config)[name] || table[name].fallback);
/** The same for Helm: an empty text is no number, and 0 is one. */
const limitTemplate = (name: Limit) =>
  `int (get .Values.config "${name}" | toString | default "${table[name].fallback}")`;

const rules: readonly Rule[] = [
  {
    path: ["worker", "autoscaling", "minReplicas"],
    problem: "is more than maxReplicas",
    isBroken: ({ worker }) => worker.autoscaling.minReplicas > worker.autoscaling.maxReplicas,
    template: `gt (int ${autoscaling}.minReplicas) (int ${autoscaling}.maxReplicas)`,
  },
  {
    path: ["worker", "autoscaling", "kind"],
    problem:
      "hpa scales by a metric that the PrometheusRule records; set prometheusRule.enabled to true, or take keda, which asks Prometheus itself",
    isBroken: ({ worker, prometheusRule }) => worker.autoscaling.kind === "hpa" && !prometheusRule.enabled,
    template: `and (eq ${autoscaling}.kind "hpa") (not .Values.prometheusRule.enabled)`,
  },
  {
    path: ["externalSecret", "storeName"],
    problem: "is empty; name the store that the Secret is read from, or set externalSecret.enabled to false",
    isBroken: ({ externalSecret: { enabled, storeName } }) => enabled && storeName === "",
    template: `and .Values.externalSecret.enabled (not .Values.externalSecret.storeName)`,
  },
  {
    path: ["migrate", "existingSecret"],
    problem:
      "is of a Postgres of your own that gateways and workers share; set topology to split and postgres.enabled to false, or leave it empty",
    isBroken: ({ migrate, topology, postgres }) =>
      migrate.existingSecret !== "" && (topology === "all-in-one" || postgres.enabled),
    template: `and .Values.migrate.existingSecret (or (eq .Values.topology "all-in-one") .Values.postgres.enabled)`,
  },
  {
    path: ["serviceAccount", "name"],
    problem: "is empty, and none is made; name the one that is there, or set serviceAccount.create to true",
    isBroken: ({ serviceAccount: { create, name } }) => !create && name === "",
    template: `not (or .Values.serviceAccount.create .Values.serviceAccount.name)`,
  },
  {
    path: ["config", "POSTGRES_POOL_MIN_SIZE"],
    problem: `is more than POSTGRES_POOL_MAX_SIZE, which is ${table.POSTGRES_POOL_MAX_SIZE.fallback} where it is not set`,
    isBroken: (values) => limitOf(values, "POSTGRES_POOL_MIN_SIZE") > limitOf(values, "POSTGRES_POOL_MAX_SIZE"),
    template: `gt (${limitTemplate("POSTGRES_POOL_MIN_SIZE")}) (${limitTemplate("POSTGRES_POOL_MAX_SIZE")})`,
  },
];

/** Which rules these values break. */
export const brokenRules = (values: ValueSet): readonly Rule[] => rules.filter(({ isBroken }) => isBroken(values));

/** Ends the rendering of the chart where a rule is broken, with the sentence that synth has for it. */
export const ruleTemplates = rules
  .map(
    ({ path, problem, template }) =>
      `{{- if ${template} }}{{- fail ${JSON.stringify(`${path.join(".")}: ${problem}`)} }}{{- end }}\n`,
  )
  .join("");

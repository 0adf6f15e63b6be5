import { createHash } from "node:crypto";
import { Construct } from "constructs";
import type { Identity } from "./identity.ts";
import { Manifest } from "./manifest.ts";
import type { Node, Pair, Values } from "../values/values.ts";
import { textsOf } from "../values/variable-value.ts";
import type { ValueSet } from "../values/values-schema.ts";

/**
 * Two ConfigMaps. What restarts pods is immutable and named by a hash of what it holds, so that a change is a new name and a rollout; what the
 * running process follows keeps its name.
 */
export class Configuration extends Construct {
  /** The name of the immutable one. */
  readonly config: Node;
  readonly settings: Node;

  constructor(scope: Construct, values: Values, identity: Identity, data: ValueSet) {
    super(scope, "configuration");
    const strings = stringsOf("config", data.config);
    const hash = {
      template: 'include "discord-agent.strings" .Values.config | sha256sum | trunc 10',
      literal: () => createHash("sha256").update(goJson(strings.literal())).digest("hex").slice(0, 10),
    };
    this.config = values.text(identity.fullname, "-config-", hash);
    this.settings = identity.name("settings");
    new Manifest(this, "config", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { ...identity.metadata("config"), name: this.config },
      immutable: true,
      data: values.pair(strings),
    });
    new Manifest(this, "settings", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: identity.metadata("settings"),
      data: values.when(values.is("settings"), values.pair(stringsOf("settings", data.settings))),
    });
  }
}

/** A map of variables as a ConfigMap holds it: every value a text. */
function stringsOf(path: string, data: Readonly<Record<string, unknown>>): Pair<Readonly<Record<string, string>>> {
  return {
    template: `include "discord-agent.strings" .Values.${path} | fromJson`,
    literal: () => textsOf(data),
  };
}

/** JSON as Go writes it: keys in order, and what HTML would take for markup escaped. */
function goJson(strings: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(strings).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(sorted)).replace(
    /[<>&\u2028\u2029]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

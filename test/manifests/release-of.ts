import { literalObjects } from "../../cdk8s/emit.ts";
import { releaseObjects } from "../../cdk8s/release.ts";
import { literalValues } from "../../cdk8s/values/literal-values.ts";
import { fillIn } from "../../cdk8s/values/values-schema.ts";

/** An object as it is applied; tests know where to look in it. */
export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}

/** The objects that these values give, for `kubectl apply`. Throws where the values are refused. */
export function releaseOf(values: object): { all: readonly Manifest[]; get: (kind: string, name: string) => Manifest } {
  const { data, error } = fillIn(values);
  if (data === undefined) throw error;
  const release = { name: "bot", namespace: "ours", version: "1.2.3", manager: "kubectl" };
  const all = literalObjects(releaseObjects(literalValues(data), release, data)) as unknown as readonly Manifest[];
  return {
    all,
    get: (kind, name) => {
      const found = all.find((one) => one.kind === kind && one.metadata.name === name);
      if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
      return found;
    },
  };
}

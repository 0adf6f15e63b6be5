import { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import type { Condition } from "../values/values.ts";

/** The parts of an object of Kubernetes that every kind has. */
export interface ManifestOptions {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Without it the object is always made. */
  readonly onlyIf?: Condition | undefined;
  readonly [field: string]: unknown;
}

const conditions = new WeakMap<ApiObject, Condition>();

/** An object of Kubernetes that may depend on a condition. */
export class Manifest extends ApiObject {
  constructor(scope: Construct, id: string, { onlyIf, ...object }: ManifestOptions) {
    super(scope, id, object);
    if (onlyIf !== undefined) conditions.set(this, onlyIf);
  }
}

/** When an object is made; null: always. */
export const conditionOf = (object: ApiObject): Condition | null => conditions.get(object) ?? null;

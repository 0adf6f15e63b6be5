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
  /** Where its kind comes from; without it every cluster has it. */
  readonly foreign?: Foreign;
  readonly [field: string]: unknown;
}

/** A kind that a cluster has only where somebody installed it. */
export interface Foreign {
  /** The value that wants such an object. */
  readonly wantedBy: string;
  readonly installedBy: string;
  /** What the value is set to where it is not installed. */
  readonly otherwise: string;
}

const conditions = new WeakMap<ApiObject, Condition>();
const foreigners = new WeakMap<ApiObject, Foreign>();

/** An object of Kubernetes that may depend on a condition. */
export class Manifest extends ApiObject {
  constructor(scope: Construct, id: string, { onlyIf, foreign, ...object }: ManifestOptions) {
    super(scope, id, object);
    if (onlyIf !== undefined) conditions.set(this, onlyIf);
    if (foreign !== undefined) foreigners.set(this, foreign);
  }
}

/** When an object is made; null: always. */
export const conditionOf = (object: ApiObject): Condition | null => conditions.get(object) ?? null;

/** Where the kind of an object comes from; null: every cluster has it. */
export const foreignOf = (object: ApiObject): Foreign | null => foreigners.get(object) ?? null;

import { spawnSync } from "node:child_process";

/** Null, or why the tests of a cluster cannot run here. With CI=true a missing cluster is a failure, not a reason. */
export function noCluster(): string | null {
  if (process.env["KUBECONFIG"]) return null;
  const reason = "KUBECONFIG names no cluster: kind create cluster, then export KUBECONFIG=~/.kube/config";
  if (process.env["CI"] === "true") throw new Error(reason);
  return reason;
}

/** What a command said and how it ended. */
export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs kubectl against the cluster of KUBECONFIG. */
export function kubectl(args: readonly string[], input?: string): Outcome {
  const { status, stdout, stderr, error } = spawnSync("kubectl", args, { input, encoding: "utf8" });
  if (error) throw error;
  return { code: status, out: stdout, err: stderr };
}

/** Runs kubectl, and throws what it said when it failed. */
export function mustKubectl(args: readonly string[], input?: string): string {
  const { code, out, err } = kubectl(args, input);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")} ended with ${String(code)}: ${err}`);
  return out;
}

import { expect } from "vitest";
import type { TestNamespace } from "./cluster.ts";

const crd = "agents.discord-agent.dev";

/** Applies the CRD of Agents as people do, and resolves when the API server knows the kind. */
export async function applyAgentCrd(kubectl: TestNamespace["kubectl"]): Promise<void> {
  await kubectl(["apply", "-k", "k8s/crds"]);
  await kubectl(["wait", "--for=condition=Established", `crd/${crd}`, "--timeout=60s"]);
}

/** Takes the CRD of Agents away; rejects while there are some. It is there again, as `kubectl apply` makes it, when the suite ends. */
export async function removeAgentCrd({ kubectl, atTheEnd }: TestNamespace): Promise<void> {
  expect(await kubectl(["get", crd, "--all-namespaces", "--no-headers"])).toBe("");
  atTheEnd(async () => {
    await kubectl(["delete", "crd", crd, "--ignore-not-found", "--wait"]);
    await applyAgentCrd(kubectl);
  });
  await kubectl(["delete", "crd", crd, "--wait"]);
}

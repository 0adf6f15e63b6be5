import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, vi } from "vitest";
import { openKubernetes, type KubernetesApi } from "../../src/connections/kubernetes.ts";
import { openDetour, type Detour } from "./detour.ts";

const run = promisify(execFile);
/** Null where all of these variables are set, otherwise `reason`; with CI=true it throws that, as what was left out must not look like what passed. */
function whyUnset(names: readonly string[], reason: string): string | null {
  if (names.every((name) => (process.env[name] ?? "") !== "")) return null;
  if (process.env["CI"] === "true") throw new Error(reason);
  return reason;
}

/** Null where there is a cluster to test on. */
const whyNoCluster = whyUnset(
  ["KUBECONFIG"],
  "KUBECONFIG names no disposable cluster: kind create cluster, then npm run test:cluster",
);

/** Every pod of a test has to be what a careful cluster lets in, the tests' own too. */
const restricted = (name: string) => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
});

/** A namespace of a real cluster that enforces `restricted` and is gone after the suite. */
export interface TestNamespace {
  readonly name: string;
  /** As the administrator. */
  readonly api: () => KubernetesApi;
  /** Runs kubectl in the namespace, and resolves to what it printed; rejects with what it complained. */
  readonly kubectl: (args: readonly string[], input?: string) => Promise<string>;
  /** Runs this when the suite ends. */
  readonly atTheEnd: (close: () => Promise<void> | void) => void;
  /** Connections that go through an address of which a test can cut and move what goes through; `token`: as this ServiceAccount. */
  readonly through: (token?: string) => Promise<Omit<Detour, "close">>;
}

/** As `describeOnCluster`, for what needs nodes that have the image; `whyNot` says what else is missing. */
export function describeOnPods(
  title: string,
  suite: (namespace: TestNamespace) => void,
  whyNot: () => string | null = () => null,
): void {
  describeOnCluster(title, suite, whyNoCluster ?? whyNoImage() ?? whyNot());
}

const noMonitoring =
  "PROMETHEUS_URL and ALERTMANAGER_URL name no monitoring of the cluster: install the Prometheus Operator, prometheus-adapter and metrics-server, then PROMETHEUS_URL=http://… ALERTMANAGER_URL=http://… npm run test:cluster";

/** Where the monitoring of a cluster is reached from here. */
interface Monitoring {
  readonly prometheus: string;
  readonly alertmanager: string;
}

/** As `describeOnPods`, for what needs the Prometheus Operator, whose Prometheus and Alertmanager are reached at these addresses. */
export function describeOnOperator(
  title: string,
  suite: (namespace: TestNamespace, monitoring: Monitoring) => void,
): void {
  const { PROMETHEUS_URL: prometheus = "", ALERTMANAGER_URL: alertmanager = "" } = process.env;
  // Last: a control plane alone has no pods that could monitor.
  const whyNot = whyNoCluster ?? whyNoImage() ?? whyUnset(["PROMETHEUS_URL", "ALERTMANAGER_URL"], noMonitoring);
  describeOnCluster(title, (namespace) => suite(namespace, { prometheus, alertmanager }), whyNot);
}

/** Null where the nodes have our image. A control plane alone has no nodes: what needs them is for another run then. */
function whyNoImage(): string | null {
  const jsonpath = "jsonpath={.items[*].status.images[*].names[*]}";
  const images = execFileSync(program("kubectl"), ["get", "nodes", "-o", jsonpath], { encoding: "utf8" });
  if (images.includes("ghcr.io/discord-agent/discord-agent:")) return null;
  const reason = "the nodes lack the image: docker build it as the Dockerfile says, then kind load docker-image";
  if (process.env["CI"] === "true" && images !== "") throw new Error(reason);
  return reason;
}

/** Describes what needs a cluster; reported as skipped, with the command that gets one, where there is none. */
export function describeOnCluster(
  title: string,
  suite: (namespace: TestNamespace) => void,
  whyNot = whyNoCluster,
): void {
  describe.skipIf(whyNot !== null)(`${title}${whyNot === null ? "" : ` (${whyNot})`}`, () => {
    const name = `discord-agent-test-${randomBytes(4).toString("hex")}`;
    const closing: (() => Promise<void> | void)[] = [];
    let api: KubernetesApi | null = null;
    const kubectl: TestNamespace["kubectl"] = (args, input) => runKubectl(["--namespace", name, ...args], input);
    beforeAll(async () => {
      api = await openKubernetes({ namespace: name });
      await runKubectl(["create", "-f", "-"], JSON.stringify(restricted(name)));
      // Which no pod can be without, and which takes its time after another suite has killed the API server.
      await runKubectl(["--namespace", name, "wait", "--for=create", "serviceaccount/default", "--timeout=60s"]);
      if (existsSync("k8s/crds")) await runKubectl(["apply", "-f", join("k8s", "crds")]);
    });
    afterAll(async () => {
      for (const close of closing.splice(0)) await close();
      // A namespace that is emptied while the API server does not know a kind is finished with such objects left behind, and suites that
      // follow take the API server or the CRD away.
      await runKubectl(["--namespace", name, "delete", "dagent", "--all"]);
      await runKubectl(["delete", "namespace", name, "--wait=false"]);
      api?.close();
    });
    suite({
      name,
      api: () => {
        if (api === null) throw new Error("there is no cluster yet");
        return api;
      },
      kubectl,
      atTheEnd: (close) => void closing.unshift(close),
      through: async (token) => {
        const detour = await openDetour(name, token);
        closing.unshift(() => detour.close());
        return detour;
      },
    });
  });
}

/** A program for the cluster: of the folder that KUBEBUILDER_ASSETS names, or the one on the path. */
export function program(name: "kubectl" | "helm" | "promtool"): string {
  const folder = process.env["KUBEBUILDER_ASSETS"];
  return folder ? join(folder, name) : name;
}

async function runKubectl(args: readonly string[], input?: string): Promise<string> {
  const started = run(program("kubectl"), args, { maxBuffer: 1 << 26 });
  started.child.stdin?.end(input ?? "");
  return (await started).stdout;
}

/** Why the parts of the cluster cannot be killed and started again: only a test cluster's own files say how. Asked by whoever needs it, as with CI=true it throws. */
export const whyNoRestart = (): string | null =>
  whyUnset(
    ["CLUSTER_DIR"],
    "CLUSTER_DIR names no cluster whose parts can be killed: CLUSTER_DIR=FOLDER npm run test:cluster, where FOLDER/pid/kubelet and FOLDER/pid/kube-apiserver hold their process ids, and FOLDER/cmd/… start them again",
  );

async function pidOf(part: "kube-apiserver" | "kubelet"): Promise<number> {
  return Number(await readFile(join(process.env["CLUSTER_DIR"] ?? "", "pid", part), "utf8"));
}

/** Kills the API server; resolves, when its port is free again, to what starts it again. */
export async function killApiServer(): Promise<() => Promise<void>> {
  process.kill(await pidOf("kube-apiserver"), "SIGKILL");
  // The kernel closes a killed program's port some time after the signal, and the next one finds it in use until then.
  const look = ["get", "--raw", "/readyz", "--request-timeout=1s"];
  await vi.waitFor(() => expect(runKubectl(look)).rejects.toThrow("refused"), { timeout: 30_000, interval: 100 });
  return async () => {
    await run(join(process.env["CLUSTER_DIR"] ?? "", "cmd", "kube-apiserver"));
    await vi.waitFor(() => runKubectl(["get", "--raw", "/readyz"]), { timeout: 60_000, interval: 200 });
  };
}

/** Kills the node's kubelet and starts it again; resolves when the new one says that it lives. What the old one kept of the API server's objects is gone then. */
export async function restartKubelet(): Promise<void> {
  process.kill(await pidOf("kubelet"), "SIGKILL");
  const killedAt = Date.now();
  await run(join(process.env["CLUSTER_DIR"] ?? "", "cmd", "kubelet"));
  // Its lease and not the node's status: that is written every five minutes where nothing changes.
  const look = ["-n", "kube-node-lease", "get", "leases", "-o", "jsonpath={.items[0].spec.renewTime}"];
  const isAlive = async () => expect(Date.parse(await runKubectl(look))).toBeGreaterThan(killedAt);
  await vi.waitFor(isAlive, { timeout: 120_000, interval: 500 });
}

/** Freezes the node's kubelet; resolves to what lets it go on. */
export async function freezeKubelet(): Promise<() => void> {
  const pid = await pidOf("kubelet");
  process.kill(pid, "SIGSTOP");
  return () => void process.kill(pid, "SIGCONT");
}

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { bundleDiscordSimulator } from "../simulators/discord/bundle.ts";
import { connectDiscordSimulator, type RemoteDiscordSimulator } from "../simulators/discord/remote.ts";
import { program, type TestNamespace } from "./cluster.ts";
import { patience, until } from "./until.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");

/** The image as the manifests name it. */
const image = "ghcr.io/discord-agent/discord-agent";
export const botToken = "sim-reception-token-0000";

/** Writes manifests as a user does, with `npm run synth -- --values … --out …`; resolves to the folder. */
export async function synthesize(
  namespace: string,
  values: object,
  { secrets, agents }: { secrets?: Readonly<Record<string, string>>; agents?: string } = {},
): Promise<string> {
  const folder = await mkdtemp(join(process.env["TEST_SERVERS_FOLDER"] ?? tmpdir(), "manifests-"));
  const [file, env, out] = ["values.yaml", ".env", "out"].map((name) => join(folder, name)) as [string, string, string];
  await writeFile(file, stringify(values));
  const args = ["cdk8s/main.ts", "--values", file, "--out", out, "--namespace", namespace];
  if (agents !== undefined) args.push("--agents", agents);
  if (secrets !== undefined) {
    await writeFile(
      env,
      Object.entries(secrets)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );
    args.push("--env-file", env);
  }
  await run(process.execPath, args, { cwd: root });
  return out;
}

/** Applies the ServiceAccount of the bot with what it may do; resolves to a token of it. */
export async function applyAccess({ kubectl, name }: Pick<TestNamespace, "kubectl" | "name">): Promise<string> {
  const folder = await synthesize(name, {});
  const objects = (await readFile(join(folder, "10-discord-agent.yaml"), "utf8")).split(/^---$/m);
  const access = objects.filter((text) => /^kind: (?:ServiceAccount|Role|RoleBinding)$/m.test(text));
  await kubectl(["apply", "-f", "-"], access.join("---"));
  return (await kubectl(["create", "token", "discord-agent"])).trim();
}

/** Values that a release needs to reach the simulator of its namespace and the API server of this cluster, wherever that listens. */
export async function valuesFor({ kubectl, name }: TestNamespace): Promise<{ config: object; networkPolicy: object }> {
  const text = await kubectl(["get", "endpoints", "kubernetes", "--namespace", "default", "-o", "json"]);
  const { subsets } = JSON.parse(text) as { subsets: { addresses: { ip: string }[]; ports: { port: number }[] }[] };
  return {
    config: { DISCORD_API_URL: `http://discord-sim.${name}.svc:8901/api`, DISCORD_LEASE_SECONDS: 5 },
    networkPolicy: {
      apiServer: subsets.flatMap(({ addresses }) => addresses.map(({ ip }) => ({ ipBlock: { cidr: `${ip}/32` } }))),
      apiServerPorts: subsets.flatMap(({ ports }) => ports.map(({ port }) => ({ protocol: "TCP", port }))),
      extraEgress: [{ to: [{ podSelector: { matchLabels: { app: "discord-sim" } } }] }],
    },
  };
}

/**
 * The Discord simulator as a pod of the namespace, in the product's own image, with its sample world. `by` its address it is
 * reached without API server and kubelet, on a cluster of this machine alone.
 */
export async function startSimulatorPod(
  namespace: TestNamespace,
  { by = "forwarding" }: { by?: "forwarding" | "address" } = {},
): Promise<RemoteDiscordSimulator> {
  const { kubectl } = namespace;
  const labels = { app: "discord-sim" };
  const objects = [
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "discord-sim" },
      data: { "main.mjs": await bundleDiscordSimulator() },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "discord-sim" },
      spec: { selector: labels, ports: [{ port: 8901 }] },
    },
    { apiVersion: "v1", kind: "Pod", metadata: { name: "discord-sim", labels }, spec: await simulatorPod(kubectl) },
  ];
  // Who makes it may still be looking for an API server that was away.
  await kubectl(["wait", "--for=create", "serviceaccount/default", "--timeout=120s"]);
  for (const object of objects) await kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(object));
  await kubectl(["wait", "--for=condition=Ready", "pod/discord-sim", "--timeout=60s"]);
  if (by === "forwarding") return connectDiscordSimulator(await portForward(namespace, "pod/discord-sim", 8901));
  const address = await kubectl(["get", "pod", "discord-sim", "-o", "jsonpath={.status.podIP}"]);
  return connectDiscordSimulator(`http://${address}:8901`);
}

async function simulatorPod(kubectl: TestNamespace["kubectl"]) {
  const spec = await nodePod(kubectl, ["/simulator/main.mjs", "--host", "0.0.0.0"]);
  return {
    ...spec,
    containers: [
      {
        ...spec.containers[0],
        ports: [{ containerPort: 8901 }],
        readinessProbe: { httpGet: { path: "/control/report", port: 8901 }, periodSeconds: 1 },
        volumeMounts: [{ name: "program", mountPath: "/simulator" }],
      },
    ],
    volumes: [{ name: "program", configMap: { name: "discord-sim" } }],
  };
}

/** A pod that runs Node with these arguments, in our image, and is nothing of the product's. */
export async function nodePod(kubectl: TestNamespace["kubectl"], args: readonly string[]) {
  const [version = "0.1.0"] = await loadedVersions(kubectl);
  return {
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: "RuntimeDefault" } },
    containers: [
      {
        name: "node",
        image: `${image}:${version}`,
        args,
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
      },
    ],
  };
}

/** The versions of our image that the nodes have, the chart's own first. */
export async function loadedVersions(kubectl: TestNamespace["kubectl"]): Promise<readonly string[]> {
  const names = await kubectl(["get", "nodes", "-o", "jsonpath={.items[*].status.images[*].names[*]}"]);
  const versions = names
    .split(" ")
    .flatMap((one) => (one.startsWith(`${image}:`) ? [one.slice(image.length + 1)] : []));
  return [...new Set(versions)].toSorted((a, b) => a.length - b.length);
}

/** Opens a port of this machine to one of the cluster until the suite ends; resolves to its URL. */
export async function portForward({ name, atTheEnd }: TestNamespace, target: string, port: number): Promise<string> {
  const args = ["--namespace", name, "port-forward", target, `:${port}`];
  const child = spawn(program("kubectl"), args, { stdio: ["ignore", "pipe", "inherit"] });
  atTheEnd(() => void child.kill());
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, "line")) as [string];
  lines.on("line", () => {});
  return `http://${/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? line}`;
}

/** The pods of one part of a release that are not on their way out. */
export async function podsOf(kubectl: TestNamespace["kubectl"], component: string) {
  const selector = `app.kubernetes.io/component=${component}`;
  const { items } = JSON.parse(await kubectl(["get", "pods", "-l", selector, "-o", "json"])) as {
    items: {
      metadata: { name: string; uid: string; deletionTimestamp?: string };
      status: {
        conditions?: { type: string; status: string }[];
        containerStatuses?: { restartCount: number; lastState: { terminated?: { reason: string } } }[];
      };
    }[];
  };
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, status }) => ({
      name: metadata.name,
      isReady: status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false,
      restarts: status.containerStatuses?.[0]?.restartCount ?? 0,
      lastEnd: status.containerStatuses?.[0]?.lastState.terminated?.reason ?? null,
    }));
}

/** Resolves once so many pods of a part are there and ready. */
export async function allReady(kubectl: TestNamespace["kubectl"], component: string, count: number): Promise<void> {
  await until(async () => {
    const pods = await podsOf(kubectl, component);
    if (pods.length !== count || !pods.every(({ isReady }) => isReady)) throw new Error(JSON.stringify(pods));
  }, patience);
}

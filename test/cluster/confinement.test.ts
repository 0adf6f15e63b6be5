import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, it, vi } from "vitest";
import { parseAllDocuments, stringify } from "yaml";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { describeOnPods, program } from "./cluster.ts";
import { allReady, botToken, nodePod, startSimulatorPod, valuesFor } from "./release.ts";
import { patience } from "./until.ts";

interface Container {
  readonly name: string;
  readonly volumeMounts?: readonly { readonly mountPath: string }[];
}

interface Pod {
  readonly kind?: string;
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly automountServiceAccountToken?: boolean;
    readonly initContainers?: readonly Container[];
    readonly containers: readonly Container[];
  };
}

const run = promisify(execFile);
const component = "app.kubernetes.io/component";
const worker = "deploy/bot-discord-agent-worker";

describeOnPods("the pods of a release", (namespace) => {
  const { kubectl, name, atTheEnd } = namespace;
  const helm = async (...args: string[]) => (await run(program("helm"), ["--namespace", name, ...args])).stdout;

  beforeAll(async () => {
    const folder = await temporaryFolder();
    atTheEnd(() => folder.remove());
    await startSimulatorPod(namespace, { by: "address" });
    const listens = 'require("http").createServer((_, answer) => answer.end()).listen(8080)';
    const stranger = { apiVersion: "v1", kind: "Pod", metadata: { name: "stranger", labels: { app: "stranger" } } };
    const spec = await nodePod(kubectl, ["--eval", listens]);
    await kubectl(["apply", "-f", "-"], JSON.stringify({ ...stranger, spec }));
    await kubectl(["expose", "pod", "stranger", "--port=8080"]);
    const file = join(folder.path, "values.yaml");
    const one = { replicas: 1 };
    const values = { topology: "split", gateway: one, worker: one, crds: { install: false } };
    await writeFile(file, stringify({ ...values, ...(await valuesFor(namespace)) }));
    await kubectl(["create", "secret", "generic", "bot-discord-agent", `--from-literal=DISCORD_TOKEN=${botToken}`]);
    await helm("install", "bot", "charts/discord-agent", "--values", file);
    await kubectl(["apply", "-f", "agents.yaml"]);
    for (const part of ["gateway", "worker"]) await allReady(kubectl, part, 1);
  });

  it("have a token for the API server where the bot runs, and in no other container", async () => {
    const { items } = JSON.parse(
      await kubectl(["get", "pods", "-l", "app.kubernetes.io/instance=bot", "-o", "json"]),
    ) as { items: Pod[] };
    const hooks = parseAllDocuments(await helm("get", "hooks", "bot")).map((one) => one.toJS() as Pod | null);
    const pods = [...items, ...hooks.filter((one) => one?.kind === "Pod")].filter((one) => one !== null);
    expect(pods.map(({ spec }) => spec.automountServiceAccountToken)).toEqual(pods.map(() => false));
    const containers = pods.flatMap(({ metadata, spec }) =>
      [...(spec.initContainers ?? []), ...spec.containers].map((container) => ({
        container: `${metadata.labels[component]}/${container.name}`,
        hasToken: (container.volumeMounts ?? []).some(({ mountPath }) => mountPath.includes("/run/secrets")),
      })),
    );
    expect(containers.toSorted((a, b) => a.container.localeCompare(b.container))).toEqual([
      { container: "gateway/discord-agent", hasToken: true },
      { container: "gateway/migrate", hasToken: false },
      { container: "postgres/postgres", hasToken: false },
      { container: "redis/redis", hasToken: false },
      { container: "release-test/ask", hasToken: false },
      { container: "worker/discord-agent", hasToken: true },
      { container: "worker/migrate", hasToken: false },
    ]);
    // And what is there, where somebody can look.
    const look = 'console.log(require("fs").readdirSync("/var/run/secrets/kubernetes.io/serviceaccount").join())';
    expect(await kubectl(["exec", worker, "-c", "discord-agent", "--", "node", "-e", look])).toContain("token");
    for (const database of ["postgres", "redis"])
      expect(
        await kubectl(["exec", `bot-discord-agent-${database}-0`, "--", "sh", "-c", "ls -A /var/run/secrets || true"]),
      ).toBe("");
  });

  it("are reached by whom a policy names and reach what it names, and nobody and nothing else", async () => {
    const reaches = async (from: string, host: string, port: number): Promise<string> => {
      const code = `const socket = require("net").connect({ host: "${host}", port: ${port}, timeout: 3000 });
        const say = (word) => (console.log(word), process.exit());
        socket.on("connect", () => say("open")).on("timeout", () => say("shut")).on("error", ({ code }) =>
          say(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EACCES", "EPERM"].includes(code) ? "shut" : code));`;
      return (await kubectl(["exec", from, "--", "node", "-e", code])).trim();
    };
    const ways: readonly (readonly [from: string, host: string, port: number, is: string])[] = [
      ["stranger", "bot-discord-agent-postgres", 5432, "shut"],
      ["stranger", "bot-discord-agent-redis", 6379, "shut"],
      ["stranger", "bot-discord-agent", 8000, "shut"],
      [worker, "stranger", 8080, "shut"],
      // The same from whom and to where it is allowed.
      ["stranger", "discord-sim", 8901, "open"],
      ["discord-sim", "stranger", 8080, "open"],
      [worker, "bot-discord-agent-postgres", 5432, "open"],
      [worker, "bot-discord-agent-redis", 6379, "open"],
      [worker, "discord-sim", 8901, "open"],
    ];
    const all = () =>
      Promise.all(ways.map(async ([from, host, port]) => [from, host, port, await reaches(from, host, port)]));
    // A policy holds soon after it was made.
    await vi.waitFor(async () => expect(await all()).toEqual(ways), patience);
    await kubectl(["delete", "networkpolicy", "--all"]);
    const opened = ways.map(([from, host, port]) => [from, host, port, "open"]);
    await vi.waitFor(async () => expect(await all()).toEqual(opened), patience);
  });
});

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { KubernetesError, type KubernetesApi } from "../../src/connections/kubernetes.ts";
import { describeOnCluster } from "./cluster.ts";
import { synthesize } from "./release.ts";

type Method = "GET" | "POST" | "PATCH";

describeOnCluster("the ServiceAccount of the bot, with a real token", (namespace) => {
  const { kubectl, name, through } = namespace;
  let api: KubernetesApi;
  const ours = `/api/v1/namespaces/${name}`;
  const agents = (where: string) => `/apis/discord-agent.dev/v1alpha1/namespaces/${where}/agents`;
  const event = () => ({
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: "seen", namespace: name },
    involvedObject: { apiVersion: "v1", kind: "Pod", name: "a", namespace: name },
    reason: "Seen",
    message: "by a test",
    type: "Normal",
  });
  /** What the API server answers: 200 for every success. */
  const status = async (method: Method, path: string, body?: object): Promise<number> => {
    const contentType = method === "PATCH" ? { contentType: "application/merge-patch+json" } : {};
    try {
      await api.ask({ method, path, body, ...contentType }, AbortSignal.timeout(10_000));
      return 200;
    } catch (error) {
      if (error instanceof KubernetesError) return error.status;
      throw error;
    }
  };

  beforeAll(async () => {
    const folder = await synthesize(name, {});
    const objects = (await readFile(join(folder, "10-discord-agent.yaml"), "utf8")).split(/^---$/m);
    const access = objects.filter((text) => /^kind: (?:ServiceAccount|Role|RoleBinding)$/m.test(text));
    await kubectl(["apply", "-f", "-"], access.join("---"));
    await kubectl(["apply", "-f", "agents.yaml"]);
    ({ api } = await through((await kubectl(["create", "token", "discord-agent"])).trim()));
  });

  it("may read its Agents and ConfigMaps, write their status, and tell events", async () => {
    const answers = [
      await status("GET", agents(name)),
      await status("GET", `${ours}/configmaps`),
      await status("PATCH", `${agents(name)}/mira/status`, { status: { serving: "1/1" } }),
      await status("POST", `${ours}/events`, event()),
    ];
    expect(answers).toEqual([200, 200, 200, 200]);
  });

  it.each<[Method, string, () => string]>([
    ["GET", "Secrets", () => `${ours}/secrets`],
    ["GET", "its own Secret", () => `${ours}/secrets/discord-agent`],
    ["GET", "pods", () => `${ours}/pods`],
    ["POST", "pods", () => `${ours}/pods`],
    ["PATCH", "an Agent itself", () => `${agents(name)}/mira`],
    ["PATCH", "a ConfigMap", () => `${ours}/configmaps/discord-agent-settings`],
    ["GET", "events", () => `${ours}/events`],
    ["GET", "Agents elsewhere", () => agents("default")],
    ["GET", "namespaces", () => "/api/v1/namespaces"],
    ["GET", "CRDs", () => "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"],
  ])("may not %s %s", async (method, _, path) => {
    expect(await status(method, path(), method === "GET" ? undefined : {})).toBe(403);
  });
});

import { beforeAll, expect, it } from "vitest";
import { KubernetesError, type KubernetesApi } from "../../src/connections/kubernetes.ts";
import { describeOnCluster } from "./cluster.ts";
import { applyAccess } from "./release.ts";

type Method = "GET" | "POST" | "PATCH";

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

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

  /** Everything that whoever asks may do in a namespace, as the API server itself says it. */
  const rights = async (asked: KubernetesApi, where: string): Promise<string[]> => {
    const path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    const body = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectRulesReview", spec: { namespace: where } };
    const review = (await asked.ask({ method: "POST", path, body }, AbortSignal.timeout(10_000))) as {
      status: { incomplete: boolean; resourceRules: Rule[]; nonResourceRules: Rule[] };
    };
    const { incomplete, resourceRules, nonResourceRules } = review.status;
    expect(incomplete).toBe(false);
    return [...resourceRules, ...nonResourceRules].flatMap(inWords).toSorted();
  };

  beforeAll(async () => {
    await kubectl(["apply", "-f", "agents.yaml"]);
    ({ api } = await through(await applyAccess(namespace)));
  });

  it("may do what the code asks for and nothing else, beside what everybody may", async () => {
    await kubectl(["create", "serviceaccount", "stranger"]);
    const stranger = (await through((await kubectl(["create", "token", "stranger"])).trim())).api;
    const everybody = new Set(await rights(stranger, name));
    const own = async (where: string) => (await rights(api, where)).filter((right) => !everybody.has(right));
    expect(await own(name)).toEqual([
      "create events",
      "list agents.discord-agent.dev",
      "list configmaps",
      "patch agents/status.discord-agent.dev",
      "watch agents.discord-agent.dev",
      "watch configmaps",
    ]);
    expect(await own("default")).toEqual([]);
    // The control: what is asked would show a right.
    expect(await rights(namespace.api(), name)).toContain("* *.*");
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
    ["GET", "one Agent by its name", () => `${agents(name)}/mira`],
    ["GET", "one ConfigMap by its name", () => `${ours}/configmaps/discord-agent-settings`],
    ["PATCH", "an event", () => `${ours}/events/seen`],
    ["POST", "events of the other kind", () => `/apis/events.k8s.io/v1/namespaces/${name}/events`],
    ["GET", "Agents elsewhere", () => agents("default")],
    ["GET", "namespaces", () => "/api/v1/namespaces"],
    ["GET", "CRDs", () => "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"],
  ])("may not %s %s", async (method, _, path) => {
    expect(await status(method, path(), method === "GET" ? undefined : {})).toBe(403);
  });
});

/** What a rule allows, one right a line, as `kubectl auth can-i` would be asked. */
function inWords({ apiGroups = [], resources = [], nonResourceURLs = [], verbs }: Rule): string[] {
  const kinds = resources.flatMap((kind) => apiGroups.map((group) => (group === "" ? kind : `${kind}.${group}`)));
  return [...kinds, ...nonResourceURLs].flatMap((what) => verbs.map((verb) => `${verb} ${what}`));
}

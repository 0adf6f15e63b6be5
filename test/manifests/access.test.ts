import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { releaseOf } from "./release-of.ts";

it("the bot may do what its code asks the API server for, and nothing else", () => {
  expect(releaseOf({}).get("Role", "bot-discord-agent")["rules"]).toEqual([
    // settings/reflector.ts: pages of a list, and a watch.
    { apiGroups: ["discord-agent.dev"], resources: ["agents"], verbs: ["list", "watch"] },
    { apiGroups: [""], resources: ["configmaps"], verbs: ["list", "watch"] },
    // cluster/status-writer.ts: one server-side apply.
    { apiGroups: ["discord-agent.dev"], resources: ["agents/status"], verbs: ["patch"] },
    // cluster/events.ts: one POST to core/v1.
    { apiGroups: [""], resources: ["events"], verbs: ["create"] },
  ]);
});

it("a ServiceAccount that is there already is given the Role, and is not made", () => {
  const { all, get } = releaseOf({ serviceAccount: { create: false, name: "theirs" } });
  expect(all.map(({ kind }) => kind)).not.toContain("ServiceAccount");
  expect(get("RoleBinding", "bot-discord-agent")).toMatchObject({
    roleRef: { kind: "Role", name: get("Role", "bot-discord-agent").metadata.name },
    subjects: [{ kind: "ServiceAccount", name: "theirs", namespace: "ours" }],
  });
  expect(get("Deployment", "bot-discord-agent-all-in-one")).toMatchObject({
    spec: { template: { spec: { serviceAccountName: "theirs" } } },
  });
});

interface Pod {
  readonly automountServiceAccountToken?: boolean;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly { readonly name: string; readonly projected?: object }[];
}
interface Container {
  readonly name: string;
  readonly volumeMounts?: readonly { readonly name: string }[];
}

it("a token of the API server is in the bot's own container and in no other", () => {
  const root = join(import.meta.dirname, "..", "..");
  const files = globSync("k8s/{trial,production}/*.yaml", { cwd: root }).map((path) =>
    readFileSync(join(root, path), "utf8"),
  );
  const objects = files.flatMap((text) =>
    parseAllDocuments(text).map((one) => one.toJS() as { spec?: { template?: { spec: Pod } } } | null),
  );
  const pods = objects.flatMap((one) => one?.spec?.template?.spec ?? []);
  expect(pods.length).toBeGreaterThanOrEqual(5);
  for (const pod of pods) {
    expect(pod.automountServiceAccountToken).toBe(false);
    const tokens = new Set(
      (pod.volumes ?? [])
        .filter(({ projected }) => JSON.stringify(projected ?? {}).includes("serviceAccountToken"))
        .map(({ name }) => name),
    );
    const holders = [...pod.containers, ...(pod.initContainers ?? [])].filter(({ volumeMounts = [] }) =>
      volumeMounts.some(({ name }) => tokens.has(name)),
    );
    expect(holders.map(({ name }) => name)).toEqual(tokens.size === 0 ? [] : ["discord-agent"]);
  }
  expect(pods.filter(({ volumes }) => JSON.stringify(volumes ?? []).includes("serviceAccountToken"))).toHaveLength(3);
});

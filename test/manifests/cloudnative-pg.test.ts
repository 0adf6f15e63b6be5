import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { releaseOf } from "./release-of.ts";
import { cloudNativePg } from "./value-sets.ts";

const root = join(import.meta.dirname, "..", "..");
const url = { name: "POSTGRESQL_URL", valueFrom: { secretKeyRef: { name: "memory-app", key: "uri" } } };

const ca = { name: "NODE_EXTRA_CA_CERTS", value: "/certificates/ca.crt" };

interface Pod {
  readonly containers: readonly { readonly env: readonly object[] }[];
  readonly initContainers: readonly { readonly env: readonly object[] }[];
  readonly volumes: readonly object[];
}

it.each(["gateway", "worker"])(
  "a %s takes its database from a CloudNativePG Cluster, and so does its migration",
  (role) => {
    const { spec } = releaseOf(cloudNativePg).get("Deployment", `bot-discord-agent-${role}`) as unknown as {
      spec: { template: { spec: Pod } };
    };
    const { containers, initContainers } = spec.template.spec;
    for (const { env } of [...containers, ...initContainers]) {
      expect(env).toContainEqual(url);
      expect(env.filter((one) => (one as { name: string }).name === "POSTGRESQL_URL")).toHaveLength(1);
    }
  },
);

it.each(["gateway", "worker"])(
  "a %s of which only the runner's URL is in extraEnv migrates with the owner's, of the Secret of migrate.existingSecret",
  (role) => {
    const owned = { ...cloudNativePg, migrate: { existingSecret: "owner" }, extraEnv: [ca, url] };
    const { spec } = releaseOf(owned).get("Deployment", `bot-discord-agent-${role}`) as unknown as {
      spec: { template: { spec: Pod } };
    };
    const { containers, initContainers, volumes } = spec.template.spec;
    expect(containers.map(({ env }) => env)).toEqual([expect.arrayContaining([ca, url])]);
    const [migrate] = initContainers;
    expect(migrate?.env).toContainEqual(ca);
    // A variable goes before the file of a Secret.
    expect(JSON.stringify(migrate?.env)).not.toContain("POSTGRESQL_URL");
    expect(volumes).toContainEqual({
      name: "migrate-secrets",
      secret: { secretName: "owner", defaultMode: 0o440, optional: false },
    });
  },
);

it("the bot may go to the pods of the Cluster", () => {
  const { egress } = releaseOf(cloudNativePg).get("NetworkPolicy", "bot-discord-agent-bot")["spec"] as {
    egress: object[];
  };
  expect(egress).toContainEqual({
    to: [{ podSelector: { matchLabels: { "cnpg.io/cluster": "memory" } } }],
    ports: [5432, 6432].map((port) => ({ protocol: "TCP", port })),
  });
});

it("docs/kubernetes.md and an example of the chart show these values", () => {
  const example = readFileSync(join(root, "charts", "discord-agent", "ci", "cloudnative-pg-values.yaml"), "utf8");
  expect(parse(example)).toEqual(cloudNativePg);
  const page = readFileSync(join(root, "docs", "kubernetes.md"), "utf8");
  const blocks = [...page.matchAll(/```yaml\n([^`]*)```/g)].map(([, text = ""]) => text.replaceAll(/^ {3}/gm, ""));
  expect(blocks.map((text) => parse(text) as unknown)).toContainEqual(cloudNativePg);
});

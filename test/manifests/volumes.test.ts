import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { releaseOf } from "./release-of.ts";

const root = join(import.meta.dirname, "..", "..");
const kept = {
  "helm.sh/resource-policy": "keep",
  "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
  "kustomize.toolkit.fluxcd.io/prune": "disabled",
};

it("the volume of the embedded database stays when Helm, Argo CD or Flux would delete it: it holds every memory", () => {
  const claim = releaseOf({ postgres: { enabled: false } }).get("PersistentVolumeClaim", "bot-discord-agent-data");
  expect(claim.metadata).toMatchObject({ annotations: kept });
  const chart = readFileSync(join(root, "charts", "discord-agent", "templates", "extras.yaml"), "utf8");
  const template = chart.split("\n---\n").find((object) => object.includes("kind: PersistentVolumeClaim"));
  const text = template?.replaceAll('"', "");
  for (const [name, value] of Object.entries(kept)) expect(text).toContain(`    ${name}: ${value}\n`);
});

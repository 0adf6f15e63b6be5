import { execFile } from "node:child_process";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { describeOnCluster, program } from "./cluster.ts";

const run = promisify(execFile);
const chart = join(import.meta.dirname, "..", "..", "charts", "discord-agent");
const helm = (...args: readonly string[]) => run(program("helm"), args).then(({ stdout }) => stdout);

/** The values that want a kind which clusters do not have by themselves. */
const wanted = [
  {
    kind: "monitoring.coreos.com/v1/ServiceMonitor",
    values: "serviceMonitor.enabled=true",
    sentence:
      "serviceMonitor.enabled: the cluster does not know monitoring.coreos.com/v1 ServiceMonitor; install the Prometheus Operator first, or set the value to false",
  },
  {
    kind: "monitoring.coreos.com/v1/PrometheusRule",
    values: "prometheusRule.enabled=true",
    sentence:
      "prometheusRule.enabled: the cluster does not know monitoring.coreos.com/v1 PrometheusRule; install the Prometheus Operator first, or set the value to false",
  },
  {
    kind: "keda.sh/v1alpha1/ScaledObject",
    values: "topology=split,worker.autoscaling.kind=keda",
    sentence:
      "worker.autoscaling.kind: the cluster does not know keda.sh/v1alpha1 ScaledObject; install KEDA first, or set the value to hpa or none",
  },
  {
    kind: "external-secrets.io/v1/ExternalSecret",
    values: "externalSecret.enabled=true,externalSecret.storeName=vault",
    sentence:
      "externalSecret.enabled: the cluster does not know external-secrets.io/v1 ExternalSecret; install the External Secrets Operator 0.16 or newer first, or set the value to false",
  },
];

describeOnCluster("a chart that is to make objects of somebody else's kind", ({ name, kubectl, atTheEnd }) => {
  const install = (...args: readonly string[]) =>
    helm("install", "bot", chart, "--namespace", name, "--set", "crds.install=false", ...args);
  const isThere = async (kind: string) => {
    const [group = "", , last] = kind.split("/");
    const kinds = await kubectl(["api-resources", "--api-group", group, "--no-headers"]);
    return kinds.split("\n").some((line) => line.endsWith(` ${last}`));
  };
  /** Takes a CRD away until the suite ends, unless somebody uses it. */
  const removeForAWhile = async (crd: string) => {
    const text = await kubectl(["get", "crd", crd, "-o", "json", "--ignore-not-found"]);
    if (text === "") return;
    const used = await kubectl(["get", crd, "--all-namespaces", "-o", "name"]);
    if (used !== "") throw new Error(`the cluster is no disposable one, it has ${used}`);
    const { metadata, ...rest } = JSON.parse(text) as { metadata: { labels?: object; annotations?: object } };
    const { labels, annotations } = metadata;
    atTheEnd(async () => {
      await kubectl(["create", "-f", "-"], JSON.stringify({ ...rest, metadata: { name: crd, labels, annotations } }));
      await kubectl(["wait", "--for=condition=Established", `crd/${crd}`, "--timeout=60s"]);
    });
    await kubectl(["delete", "crd", crd, "--wait"]);
  };

  it.each(wanted)(
    "is installed where the cluster has $kind, and refused in one sentence where it has not",
    async ({ kind, values, sentence }) => {
      const said = await install("--set", values, "--dry-run=server").catch((error: Error) => error.message);
      expect(said).toContain((await isThere(kind)) ? `kind: ${kind.split("/")[2]}\n` : sentence);
    },
  );

  it("is refused on a cluster that had the kind and lost it, before anything is made or changed", async () => {
    await removeForAWhile("externalsecrets.external-secrets.io");
    const { values = "", sentence } = wanted.find(({ kind }) => kind.endsWith("/ExternalSecret")) ?? {};
    await expect(install("--set", values)).rejects.toThrow(sentence);
    expect(await kubectl(["get", "all,cm,secret", "-l", "app.kubernetes.io/instance=bot", "-o", "name"])).toBe("");
    expect(await helm("list", "--namespace", name, "--all", "--short")).toBe("");

    await install();
    const upgrade = helm("upgrade", "bot", chart, "--namespace", name, "--reuse-values", "--set", values);
    await expect(upgrade).rejects.toThrow(sentence);
    expect(await helm("list", "--namespace", name, "--output", "json")).toMatch(/"revision":"1",.*"status":"deployed"/);
    await helm("uninstall", "bot", "--namespace", name);
  });

  describe("without a cluster", () => {
    const render = (...args: readonly string[]) => helm("template", "bot", chart, "--kube-version", "1.34", ...args);

    it.each(wanted)(
      "is rendered with $kind, for a GitOps tool that does not say what the cluster has",
      async ({ kind, values }) => {
        const line = `kind: ${kind.split("/")[2]}\n`;
        expect(await render("--set", values)).toContain(line);
        expect(await render("--set", values, "--api-versions", kind)).toContain(line);
      },
    );

    it.each(wanted)(
      "is refused for a tool that says it, and $kind is not among it",
      async ({ kind, values, sentence }) => {
        const has = ["--api-versions", "v1", "--api-versions", "v1/ConfigMap"];
        await expect(render("--set", values, ...has)).rejects.toThrow(sentence);
        expect(await render("--set", values, ...has, "--api-versions", kind)).toContain(
          `kind: ${kind.split("/")[2]}\n`,
        );
      },
    );

    it("says in its notes how the Secret is made, or how to wait for it where an ExternalSecret makes it", async () => {
      const folder = await temporaryFolder();
      atTheEnd(() => folder.remove());
      await cp(chart, folder.path, { recursive: true });
      const notes = 'notes: {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}';
      await writeFile(join(folder.path, "templates", "notes.yaml"), notes);
      const noted = async (...args: readonly string[]) =>
        helm("template", "bot", folder.path, "--kube-version=1.34", "--show-only=templates/notes.yaml", ...args);
      const waits = "wait --for=condition=Ready externalsecret/bot-discord-agent";
      expect(await noted()).toContain("create secret generic bot-discord-agent ");
      expect(await noted()).not.toContain(waits);
      const external = await noted("--set", "externalSecret.enabled=true,externalSecret.storeName=vault");
      expect(external).toContain(waits);
      expect(external).not.toContain("create secret");
    });

    it("is refused with a value that does not exist, by its name", async () => {
      await expect(render("--set", "gatway.replicas=2")).rejects.toThrow(/additional properties 'gatway' not allowed/);
      await expect(render("--set", "gateway.replicaz=2")).rejects.toThrow(
        /additional properties 'replicaz' not allowed/,
      );
      expect(await render("--set", "topology=split,gateway.replicas=3")).toContain("replicas: 3\n");
    });

    it("is refused for a Kubernetes that is too old", async () => {
      await expect(helm("template", "bot", chart, "--kube-version", "1.30.14")).rejects.toThrow(
        "chart requires kubeVersion: >=1.31.0-0 which is incompatible with Kubernetes v1.30.14",
      );
      expect(await helm("template", "bot", chart, "--kube-version", "1.31.0")).toContain("kind: Deployment\n");
    });
  });
});

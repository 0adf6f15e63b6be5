import { execFile, execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments, stringify } from "yaml";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { describeOnCluster, program } from "./cluster.ts";

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: object;
}

interface Deployment extends Manifest {
  readonly spec: {
    readonly template: { readonly spec: { readonly securityContext: object; readonly volumes: readonly object[] } };
  };
}

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");
const chart = join(root, "charts", "discord-agent");
const examples = readdirSync(join(chart, "ci")).map((file) => file.replace(/-values\.yaml$/, ""));

/** Kinds of others that the chart makes objects of, and the example of values that wants it. */
const foreign = [
  { kind: "ServiceMonitor", group: "monitoring.coreos.com", example: "monitoring" },
  { kind: "PrometheusRule", group: "monitoring.coreos.com", example: "monitoring" },
  { kind: "ScaledObject", group: "keda.sh", example: "keda" },
  { kind: "ExternalSecret", group: "external-secrets.io", example: "external-secret" },
];
const groupOf = ({ apiVersion }: Manifest) =>
  apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
const isForeign = (object: Manifest) => foreign.some(({ group }) => group === groupOf(object));

/** Null where the API server knows the kind; with CI=true it must. */
function whyUnknown(kind: string, group: string): string | null {
  if ((process.env["KUBECONFIG"] ?? "") === "") return null;
  const args = ["api-resources", "--api-group", group, "--no-headers"];
  if (new RegExp(`\\b${kind}$`, "m").test(execFileSync(program("kubectl"), args, { encoding: "utf8" }))) return null;
  const reason = `the cluster lacks the CRD of ${kind}: kubectl apply --server-side it from where ${group} publishes it`;
  if (process.env["CI"] === "true") throw new Error(reason);
  return reason;
}

describeOnCluster("the API server, in a namespace that enforces restricted", ({ name, kubectl }) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    const levels = ["enforce", "audit", "warn"].map((mode) => `pod-security.kubernetes.io/${mode}=restricted`);
    await kubectl(["label", "namespace", name, ...levels]);
    await kubectl(["wait", "--for=condition=Established", "crd/agents.discord-agent.dev", "--timeout=60s"]);
  });
  afterAll(() => folder.remove());

  const parse = (text: string) =>
    parseAllDocuments(text, { version: "1.1" }).flatMap((document) => (document.toJS() as Manifest | null) ?? []);
  /** What is committed, moved into the namespace of the test as people move it into theirs. */
  const committed = async (path: string) => {
    const overlay = { apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization", namespace: name };
    await writeFile(
      join(folder.path, "Kustomization"),
      stringify({ ...overlay, resources: [relative(folder.path, path)] }),
    );
    return parse(await kubectl(["kustomize", folder.path]));
  };
  const rendered = async (...values: readonly string[]) => {
    const { serverVersion } = JSON.parse(await kubectl(["version", "-o", "json"])) as {
      serverVersion: { gitVersion: string };
    };
    const args = ["template", "bot", chart, "--namespace", name, "--kube-version", serverVersion.gitVersion, ...values];
    return parse((await run(program("helm"), args, { maxBuffer: 1 << 26 })).stdout);
  };
  const example = (file: string) => rendered("--values", join(chart, "ci", `${file}-values.yaml`));
  /** Resolves to the names of the objects that the server would take; rejects where it refuses or warns of any. */
  const apply = async (objects: readonly Manifest[]) => {
    const flags = ["--dry-run=server", "--validate=strict", "--warnings-as-errors", "-o", "name"];
    const text = objects.map((object) => JSON.stringify(object)).join("\n---\n");
    return (await kubectl(["apply", ...flags, "-f", "-"], text)).trim().split("\n");
  };

  it.each(["crds", "trial", "production"])("takes everything in k8s/%s, and warns of nothing", async (kind) => {
    const objects = await committed(join(root, "k8s", kind));
    expect(await apply(objects)).toHaveLength(objects.length);
  });

  it("takes the chart with its defaults", async () => {
    const objects = await rendered();
    expect(await apply(objects)).toHaveLength(objects.length);
  });

  it.each(examples)("takes the chart with the values of ci/%s-values.yaml", async (file) => {
    const objects = (await example(file)).filter((object) => !isForeign(object));
    expect(objects.length).toBeGreaterThan(5);
    expect(await apply(objects)).toHaveLength(objects.length);
  });

  it("takes none of these with a field too many, and names it", async () => {
    const objects = [
      ...(await committed(join(root, "k8s", "production"))),
      ...(await committed(join(root, "k8s", "trial"))),
    ];
    const said = await apply(objects.map(misspelled)).then(
      () => "",
      (error: Error) => error.message,
    );
    expect(objects.length).toBeGreaterThan(20);
    expect(said.match(/unknown field "(?:spec\.)?replicaz"/g)).toHaveLength(objects.length);
  });

  it("takes no pod that may be root, and no volume of the node", async () => {
    const objects = await committed(join(root, "k8s", "trial"));
    const deployment = objects.find(({ kind }) => kind === "Deployment") as Deployment;
    const { template } = deployment.spec;
    const running = (pod: object) => ({
      ...deployment,
      spec: { ...deployment.spec, template: { ...template, spec: pod } },
    });
    const { securityContext: _, ...rootly } = template.spec;
    await expect(apply([running(rootly)])).rejects.toThrow(/would violate PodSecurity "restricted.*runAsNonRoot/);
    const volumes = [...template.spec.volumes, { name: "node", hostPath: { path: "/" } }];
    await expect(apply([running({ ...template.spec, volumes })])).rejects.toThrow(/restricted volume types/);
    expect(await apply([running(template.spec)])).toHaveLength(1);
  });

  it("is asked about every kind of others that the chart can make", async () => {
    const kinds = (await Promise.all(examples.map(example)))
      .flat()
      .map((object) => `${groupOf(object)} ${object.kind}`);
    const theirs = kinds.filter((kind) => /^(?!discord-agent\.)\S+\.\S+ /.test(kind) && !/^\S+\.k8s\.io /.test(kind));
    expect(new Set(theirs)).toEqual(new Set(foreign.map(({ kind, group }) => `${group} ${kind}`)));
  });

  for (const { kind, group, example: file } of foreign) {
    const missing = whyUnknown(kind, group);
    describe.skipIf(missing !== null)(`and its ${kind}${missing === null ? "" : ` (${missing})`}`, () => {
      it("takes ours, and not with a field too many", async () => {
        const objects = (await example(file)).filter((object) => object.kind === kind);
        expect(await apply(objects)).toHaveLength(1);
        await expect(apply(objects.map(misspelled))).rejects.toThrow('unknown field "spec.replicaz"');
      });
    });
  }
});

/** An object with one field that its kind does not have: in its spec, where it has one. */
function misspelled(object: Manifest): Manifest {
  const { spec } = object;
  return spec === undefined ? ({ ...object, replicaz: 2 } as Manifest) : { ...object, spec: { ...spec, replicaz: 2 } };
}

import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { temporaryFolder } from "../connections/fresh-database.ts";

/** What a test looks for in an Agent, or in a List of them. */
interface Dumped {
  readonly metadata: object;
  readonly items?: readonly Dumped[];
}

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");

describe("npm run synth -- --values", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(() => folder.remove());

  const file = async (name: string, text: string) => {
    await writeFile(join(folder.path, name), text);
    return join(folder.path, name);
  };
  const synth = (...args: string[]) => run(process.execPath, ["cdk8s/main.ts", ...args], { cwd: root });
  const refused = (...args: string[]) =>
    synth(...args).then(
      () => "",
      ({ code, stderr }: { code: number; stderr: string }) => `${code} ${stderr}`,
    );

  it("writes a user's own manifests, with a Secret of what is secret in the environment file", async () => {
    const values = await file("values.yaml", "topology: split\nworker: { replicas: 5 }\n");
    const env = await file("env", "DISCORD_TOKEN=abc\nDISCORD_TOKEN_TEO=def\nLOG_LEVEL=debug\nGEMINI_API_KEY=\n");
    const out = join(folder.path, "out");
    await synth("--values", values, "--out", out, "--env-file", env, "--namespace", "mine");
    const secret = parseAllDocuments(await readFile(join(out, "05-secret.yaml"), "utf8"))[0]?.toJS() as object;
    expect(secret).toMatchObject({
      metadata: { name: "discord-agent", namespace: "mine" },
      stringData: { DISCORD_TOKEN: "abc", DISCORD_TOKEN_TEO: "def" },
    });
    expect(Object.keys((secret as { stringData: object }).stringData)).toHaveLength(2);
    expect(await readFile(join(out, "10-discord-agent.yaml"), "utf8")).toContain("replicas: 5");
  });

  it("keeps the Secret out of git, and names what of the environment file belongs elsewhere, without its value", async () => {
    const text =
      "DISCORD_TOKEN=abc\nLOG_LEVEL=debug\nLANES=12\nENVIRONMENT=production\nROLE=worker\nDATABASE_URL=postgres://u:p@h/x\n";
    const env = await file("mixed", `${text}POSTGRES_PASSWORD=pw\nGEMINI_MODEL=\n`);
    const values = await file("mixed.yaml", "config: { LANES: 12 }\n");
    const out = join(folder.path, "mixed-out");
    const { stderr } = await synth("--values", values, "--out", out, "--env-file", env);
    const sentences = stderr.trimEnd().split("\n");
    expect(sentences.map((line) => line.replace(`${env}: `, "")).toSorted()).toEqual([
      "DATABASE_URL is left out; write it as POSTGRESQL_URL",
      "LOG_LEVEL is no secret and is left out; set settings.LOG_LEVEL in the values",
      "POSTGRES_PASSWORD is left out; the bot does not read it",
      "ROLE is left out; the manifests set it",
    ]);
    expect(await readFile(join(out, ".gitignore"), "utf8")).toBe("05-secret.yaml\n");
    await writeFile(join(out, ".gitignore"), "mine");
    await synth("--out", out, "--env-file", env);
    await synth("--out", out, "--env-file", env);
    expect(await readFile(join(out, ".gitignore"), "utf8")).toBe("mine\n05-secret.yaml\n");
  });

  it("takes its Secret away again when it is given no environment file, and no file that it has not made", async () => {
    const env = await file("later", "DISCORD_TOKEN=abc\n");
    const out = join(folder.path, "later-out");
    await synth("--out", out, "--env-file", env);
    const { stderr } = await synth("--out", out);
    expect(stderr).toContain("05-secret.yaml is removed");
    await expect(readFile(join(out, "05-secret.yaml"))).rejects.toThrow("ENOENT");
    await writeFile(join(out, "05-secret.yaml"), "kind: Secret\n");
    expect((await synth("--out", out)).stderr).toContain("05-secret.yaml stays");
    expect(await readFile(join(out, "05-secret.yaml"), "utf8")).toBe("kind: Secret\n");
  });

  it("names every fault of the values at once, and writes nothing", async () => {
    const values = await file("bad.yaml", "gatway: { replicas: 2 }\nworker: { replicas: -1 }\n");
    const said = await refused("--values", values, "--out", join(folder.path, "none"));
    expect(said).toMatch(/^78 /);
    expect(said).toContain("gatway is no value");
    expect(said).toContain("worker.replicas");
    await expect(readFile(join(folder.path, "none", "Kustomization"))).rejects.toThrow("ENOENT");
  });

  it("refuses an id that is written as a number: YAML and Helm round it to another one", async () => {
    const values = await file("id.yaml", "config: { TARGET_GUILD_ID: 123456789012345678, LANES: 16 }\n");
    const said = await refused("--values", values, "--out", join(folder.path, "none"));
    expect(said).toMatch(/^78 .*config\.TARGET_GUILD_ID: .*put it in quotes.*--set-string/);
    expect(said).not.toContain("LANES");
    const quoted = await file("quoted.yaml", 'config: { TARGET_GUILD_ID: "123456789012345678", DISCORD_SHARDS: 2 }\n');
    await synth("--values", quoted, "--out", join(folder.path, "quoted"));
    expect(await readFile(join(folder.path, "quoted", "10-discord-agent.yaml"), "utf8")).toContain(
      'TARGET_GUILD_ID: "123456789012345678"\n',
    );
  });

  it("refuses what the process would refuse, in its words and without what may be a credential", async () => {
    const config =
      "{ LANES: abc, POSTGRES_POOL_MIN_SIZE: 20, GEMINI_MODEL: REPLACE_ME, DISCORD_API_URL: http://u:p@x/ }";
    const values = await file("wrong.yaml", `config: ${config}\nsettings: { LOG_LEVEL: loud }\n`);
    const said = await refused("--values", values, "--out", join(folder.path, "none"));
    expect(said).toMatch(/^78 /);
    expect(said).toContain('config.LANES: "abc" is not a whole number from 1 to 256');
    expect(said).toContain("config.POSTGRES_POOL_MIN_SIZE: 20 is more than POSTGRES_POOL_MAX_SIZE");
    expect(said).toContain("config.GEMINI_MODEL: it still holds the placeholder");
    expect(said).toContain('settings.LOG_LEVEL: "loud" is not one of trace');
    expect(said).toContain("config.DISCORD_API_URL: the value is not an https URL");
    expect(said).not.toContain("u:p");
  });

  it("refuses placeholders in the environment file, and says no value", async () => {
    const env = await file("placeholders", "DISCORD_TOKEN=REPLACE_ME\nPOSTGRESQL_URL=postgres://u:REPLACE_ME@db/x\n");
    const said = await refused("--out", join(folder.path, "none"), "--env-file", env);
    expect(said).toMatch(/DISCORD_TOKEN: still holds .*\n.*POSTGRESQL_URL: still holds/);
    expect(said).not.toContain("u:REPLACE");
  });

  it("says in one line what has to be installed first for the kinds of others that it wrote, and nothing where there are none", async () => {
    const monitoring = "serviceMonitor: { enabled: true }\nprometheusRule: { enabled: true }\n";
    const others = "worker: { autoscaling: { kind: keda } }\nexternalSecret: { enabled: true, storeName: vault }\n";
    const values = await file("foreign.yaml", `topology: split\n${monitoring}${others}`);
    const out = join(folder.path, "foreign");
    expect((await synth("--values", values, "--out", out)).stderr).toBe(
      "install the External Secrets Operator 0.16 or newer (ExternalSecret), KEDA (ScaledObject), the Prometheus Operator (ServiceMonitor, PrometheusRule) first: kubectl apply fails for a kind that the cluster does not know, and applies the rest\n",
    );
    expect((await synth("--out", out)).stderr).toBe("");
  });

  it("places every Agent where the manifests are, wherever and however it was written before, and keeps the rest as it stands", async () => {
    const spec = "spec: { channels: { weights: { 123456789012345678: 0.50 } } } # as it was";
    const dumped = (name: string) => `  apiVersion: discord-agent.dev/v1alpha1
  kind: Agent
  metadata:
    annotations: { kubectl.kubernetes.io/last-applied-configuration: "{}", owner: ann }
    managedFields: [{ manager: kubectl }]
    name: ${name}
    namespace: theirs
    resourceVersion: "7"
    uid: 9d0c
  ${spec}
  status: { serving: 1/1 }
`;
    const agents = await file(
      "agents.yaml",
      `# At the top.
kind: Agent
metadata: # about it
  name: block # its name
---
kind: Agent
metadata: { name: flow }
---
${dumped("one").replaceAll(/^ {2}/gm, "")}---
apiVersion: v1
kind: List
items:
${["two", "three"].map((name) => dumped(name).replace("  api", "- api")).join("")}`,
    );
    const out = join(folder.path, "agents-out");
    await synth("--out", out, "--agents", agents, "--namespace", "mine");
    const text = await readFile(join(out, "20-agents.yaml"), "utf8");
    for (const comment of ["# At the top.\n", "# about it\n", "name: block # its name\n"])
      expect(text).toContain(comment);
    expect(text.match(/123456789012345678: 0\.50.*# as it was/g)).toHaveLength(3);
    const [block, flow, one, list] = parseAllDocuments(text).map((document) => document.toJS() as Dumped);
    expect([block?.metadata, flow?.metadata]).toEqual([
      { namespace: "mine", name: "block" },
      { namespace: "mine", name: "flow" },
    ]);
    expect(list).not.toHaveProperty("metadata");
    for (const [name, agent] of Object.entries({ one, two: list?.items?.[0], three: list?.items?.[1] })) {
      expect(agent?.metadata).toEqual({ annotations: { owner: "ann" }, name, namespace: "mine" });
      expect(agent).not.toHaveProperty("status");
    }
  });

  it("says where a file of agents is not YAML", async () => {
    const agents = await file("broken.yaml", "metadata:\n  name: [mira\n");
    expect(await refused("--out", join(folder.path, "none"), "--agents", agents)).toMatch(/^78 .*at line 3, column 1/);
  });

  it("says which file is not there", async () => {
    expect(await refused("--values", "nowhere.yaml", "--out", "x")).toMatch(/^78 .*nowhere\.yaml/);
  });
});

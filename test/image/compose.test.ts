import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEnv, promisify } from "node:util";
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { stringify } from "yaml";
import { commandsUnder } from "../docs/page.ts";
import { bundleDiscordSimulator } from "../simulators/discord/bundle.ts";
import { connectDiscordSimulator, type RemoteDiscordSimulator } from "../simulators/discord/remote.ts";
import { gatherCrowd } from "../cluster/conversation.ts";
import { describeWithEngine, docker, image, root } from "./engine.ts";

const run = promisify(execFile);
const botToken = "sim-reception-token-0000";
const page = "operations/deployment.md";
const simulatorPort = 8901;

const askItself = `fetch("http://127.0.0.1:${simulatorPort}/control/report").then(({ ok }) => process.exit(ok ? 0 : 1))`;

/** Discord beside the compose file's own services, by a name that a bot may talk to without TLS. */
const withSimulator = (folder: string) => ({
  services: {
    "discord-agent": { environment: { DISCORD_API_URL: `http://discord-sim.test.svc:${simulatorPort}/api` } },
    "discord-sim": {
      image,
      command: ["/simulator/main.mjs", "--host", "0.0.0.0"],
      volumes: [`${join(folder, "main.mjs")}:/simulator/main.mjs:ro`],
      ports: [`127.0.0.1::${simulatorPort}`],
      networks: { default: { aliases: ["discord-sim.test.svc"] } },
      healthcheck: { test: ["CMD", "node", "-e", askItself], interval: "1s", start_period: "30s" },
    },
  },
});

describeWithEngine("compose.yaml", () => {
  const project = `discord-agent-test-${randomBytes(4).toString("hex")}`;
  let folder = "";
  const compose = (...args: string[]) =>
    docker(["compose", "--project-name", project, "--file", "compose.yaml", "--file", "simulator.yaml", ...args], {
      cwd: folder,
    });
  const up = () => compose("--profile", "production", "up", "--detach", "--wait");
  const sql = async (query: string) =>
    (await compose("exec", "-T", "postgres", "psql", "-U", "discord_agent", "-tAc", query)).trim();
  const simulator = async (): Promise<RemoteDiscordSimulator> =>
    connectDiscordSimulator(`http://${(await compose("port", "discord-sim", String(simulatorPort))).trim()}`);
  const environment = async (change: (text: string) => string) =>
    writeFile(join(folder, ".env"), change(await readFile(join(root, ".env.production"), "utf8")));

  beforeAll(() => docker(["build", "--quiet", "--tag", image, "."]));
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "discord-agent-compose-"));
    const files = ["compose.yaml", "agents.yaml", ".env.production", "Dockerfile", ".dockerignore", "package.json"];
    for (const file of [...files, "package-lock.json", "tsconfig.json", "LICENSE", "src", "scripts"])
      await cp(join(root, file), join(folder, file), { recursive: true });
    await writeFile(join(folder, "main.mjs"), await bundleDiscordSimulator());
    await writeFile(join(folder, "simulator.yaml"), stringify(withSimulator(folder)));
  });
  afterEach(async () => {
    await compose("--profile", "production", "down", "--volumes", "--timeout", "5");
    await rm(folder, { recursive: true });
  });

  it("runs as docs/operations/deployment.md says, from nothing over a backup and an upgrade to its removal", async () => {
    const type = async (commands: string) => {
      const own = { COMPOSE_PROJECT_NAME: project, COMPOSE_FILE: "compose.yaml:simulator.yaml" };
      const env = { ...process.env, ...own, DISCORD_TOKEN: botToken, GEMINI_API_KEY: "" };
      return (await run("bash", ["-euo", "pipefail", "-c", commands], { cwd: folder, env })).stdout;
    };
    const [settings = "", start = "", log = "", ...others] = commandsUnder(page, "With Docker Compose");
    expect(others).toEqual([]);
    await type(settings);
    expect(await type(start)).toContain('"status":"healthy"');
    expect(await type(log)).toContain("invite the bot to a server");
    const crowd = await gatherCrowd(await simulator(), 2);
    expect(await crowd.ask("My cat is called Miso.")).toMatch(/\S/);
    const turns = async () => Number(await sql("select count(*) from turns"));
    const kept = await turns();
    expect(kept).toBeGreaterThan(0);

    const [backup = "", restore = "", ...more] = commandsUnder(page, "Backup and restore");
    expect(more).toEqual([]);
    await type(backup);
    await crowd.ask("This is said after the backup.");
    expect(await turns()).toBeGreaterThan(kept);
    await type(restore);
    expect(await turns()).toBeGreaterThanOrEqual(kept);

    const [upgrade = "", removal = "", ...rest] = commandsUnder(page, "Upgrade and removal");
    expect(rest).toEqual([]);
    await type(upgrade);
    const seen = await compose("--profile", "production", "logs", "--no-color");
    const before = await turns();
    await type(removal);
    await type("docker compose --profile production up --detach --wait");
    expect(await turns()).toBe(before);
    expect(await (await gatherCrowd(await simulator(), 1)).ask("Are you there?")).toMatch(/\S/);
    for (const secret of [botToken, await passwordIn(join(folder, ".env"))]) expect(seen).not.toContain(secret);
  });

  it("says which placeholders are left in .env, and does not become ready", async () => {
    await environment((text) => text);
    await expect(up()).rejects.toThrow("unhealthy");
    const lines = await compose("logs", "--no-color", "--no-log-prefix", "discord-agent");
    for (const name of ["DISCORD_TOKEN", "GEMINI_API_KEY", "POSTGRESQL_URL"])
      expect(lines).toContain(`${name}: it still holds the placeholder REPLACE_ME`);
  });

  it("talks without any setting, and keeps what was said", async () => {
    const plain = ["compose", "--project-name", project, "--file", "compose.yaml"];
    const talk = (line: string) =>
      docker([...plain, "run", "--rm", "-T", "discord-agent"], { cwd: folder, input: `${line}\n` });
    await talk("My cat is called Miso.");
    expect(await talk("What is my cat called?")).toContain("Miso");
    await docker([...plain, "up", "--detach", "--wait"], { cwd: folder });
    await expect(talk("Is anybody here?")).rejects.toThrow("--data: /data is in use by another process");
  });
});

/** The password that the page's commands made. */
async function passwordIn(path: string): Promise<string> {
  const { POSTGRES_PASSWORD = "" } = parseEnv(await readFile(path, "utf8"));
  expect(POSTGRES_PASSWORD).toMatch(/^[0-9a-f]{32}$/);
  return POSTGRES_PASSWORD;
}

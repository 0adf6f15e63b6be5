import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { describeOnPods, program } from "./cluster.ts";
import { gatherCrowd } from "./conversation.ts";
import { allReady, botToken, loadedVersions, podsOf, startSimulatorPod, valuesFor } from "./release.ts";
import { patience } from "./until.ts";

const run = promisify(execFile);

describeOnPods("a release of the chart, gateways and workers apart", (namespace) => {
  const { kubectl, name } = namespace;
  const helm = async (...args: string[]) => (await run(program("helm"), ["--namespace", name, ...args])).stdout;
  const replicaSets = async () =>
    (await kubectl(["get", "rs", "-o", "jsonpath={.items[*].metadata.name}"])).split(" ").toSorted();

  /** Where the nodes have one image only, other settings replace the pods as well. */
  const anotherImage = async () => {
    const [, other] = await loadedVersions(kubectl);
    return other === undefined ? "config.LANES=12" : `image.tag=${other}`;
  };

  const newestMigration = async () => {
    const psql = ["psql", "--username", "discord_agent", "--dbname", "discord_agent", "--tuples-only", "--no-align"];
    const ask = [...psql, "--command", "select max(version) from schema_migrations"];
    return Number(await kubectl(["exec", "bot-discord-agent-postgres-0", "--container", "postgres", "--", ...ask]));
  };

  it("installs, passes its test, changes nothing for the same values, loses nothing while it is upgraded, rolled back and killed, and goes", async () => {
    const folder = await temporaryFolder();
    const file = join(folder.path, "values.yaml");
    const { config, networkPolicy } = await valuesFor(namespace);
    await writeFile(file, stringify({ topology: "split", config, networkPolicy }));
    const simulator = await startSimulatorPod(namespace);
    await kubectl(["create", "secret", "generic", "bot-discord-agent", `--from-literal=DISCORD_TOKEN=${botToken}`]);
    const chart = join(import.meta.dirname, "..", "..", "charts", "discord-agent");
    const given = ["bot", chart, "--values", file, "--set", "crds.install=false"];

    await helm("install", ...given);
    await kubectl(["apply", "-f", "agents.yaml"]);
    for (const part of ["gateway", "worker"]) await allReady(kubectl, part, 2);
    expect(await helm("test", "bot", "--timeout", "60s")).toMatch(/Phase:\s+Succeeded/);

    const before = await replicaSets();
    await helm("upgrade", ...given);
    expect(await replicaSets()).toEqual(before);

    const crowd = await gatherCrowd(simulator);
    expect(await crowd.ask("Teo, are you there?")).toMatch(/^\*\*Teo:\*\* /);
    const identifies = (await simulator.report()).identifies;
    const schema = await newestMigration();
    const talk = crowd.talk(50);
    await helm("upgrade", ...given, "--set", await anotherImage(), "--wait", "--timeout", "300s");
    expect(await replicaSets()).toHaveLength(4);
    // The release that follows brings a migration along: the one gone back to meets a newer schema than its own.
    const brought = process.env["CI"] === "true" ? 1 : 0;
    expect(await newestMigration()).toBeGreaterThanOrEqual(schema + brought);
    await kubectl(["delete", "pod", (await podsOf(kubectl, "worker"))[0]?.name ?? "", "--force", "--grace-period=0"]);
    await helm("rollback", "bot", "2", "--wait", "--timeout", "300s");
    const tally = await talk.stop();
    process.stdout.write(
      `${JSON.stringify({ ...tally, identifies: (await simulator.report()).identifies - identifies })}\n`,
    );
    expect(tally).toMatchObject({ lost: 0, doubled: 0 });
    // What was asked for was really said.
    expect(tally.perSecond).toBeGreaterThanOrEqual(45);
    expect((await simulator.report()).identifies).toBe(identifies);

    await helm("uninstall", "bot", "--wait", "--timeout", "180s");
    const left = (kinds: string) =>
      kubectl(["get", kinds, "-l", "app.kubernetes.io/instance=bot", "-o", "jsonpath={.items[*].metadata.name}"]);
    const workloads = "deploy,sts,rs,pod,job,svc,hpa,pdb";
    // Pods drain before they go.
    const all = `${workloads},configmap,secret,serviceaccount,role,rolebinding,networkpolicy`;
    await vi.waitFor(async () => expect(await left(all)).toBe(""), patience);
    expect(await left("pvc")).toBe("data-bot-discord-agent-postgres-0 data-bot-discord-agent-redis-0");
    expect((await kubectl(["get", "dagent", "-o", "name"])).trim().split("\n")).toHaveLength(3);
    await folder.remove();
  });
});

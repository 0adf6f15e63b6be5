import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { describeOnPods, program, restartKubelet, whyNoRestart } from "./cluster.ts";
import { gatherCrowd } from "./conversation.ts";
import { allReady, botToken, podsOf, startSimulatorPod, valuesFor } from "./release.ts";
import { patience } from "./until.ts";

interface State {
  readonly waiting?: { readonly reason: string };
  readonly terminated?: { readonly exitCode: number };
}

const run = promisify(execFile);

describeOnPods(
  "an upgrade to a configuration that no pod can start with",
  (namespace) => {
    const { kubectl, name, atTheEnd } = namespace;
    const helm = async (...args: string[]) => (await run(program("helm"), ["--namespace", name, ...args])).stdout;
    /** Why the containers of a pod wait. */
    const waiting = async (pod: string) => {
      const { status } = JSON.parse(await kubectl(["get", "pod", pod, "-o", "json"])) as {
        status: { initContainerStatuses?: { state: State }[]; containerStatuses?: { state: State }[] };
      };
      const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
      return all.flatMap(({ state }) => state.waiting?.reason ?? []);
    };
    const names = async (part: string) => (await podsOf(kubectl, part)).map((pod) => pod.name);
    const configMaps = async () => (await kubectl(["get", "configmap", "-o", "name"])).trim().split("\n");
    const newOne = async (part: string, known: readonly string[]) => {
      const found = (await names(part)).filter((pod) => !known.includes(pod));
      expect(found).toHaveLength(1);
      return found[0] ?? "";
    };

    it("changes nothing for people; an old pod whose node no longer has its ConfigMap waits until helm rollback brings it back", async () => {
      const folder = await temporaryFolder();
      atTheEnd(() => folder.remove());
      const file = join(folder.path, "values.yaml");
      await writeFile(
        file,
        stringify({ topology: "split", crds: { install: false }, ...(await valuesFor(namespace)) }),
      );
      const given = ["bot", "charts/discord-agent", "--values", file];
      const simulator = await startSimulatorPod(namespace, { by: "address" });
      await kubectl(["create", "secret", "generic", "bot-discord-agent", `--from-literal=DISCORD_TOKEN=${botToken}`]);
      await helm("install", ...given);
      await kubectl(["apply", "-f", "agents.yaml"]);
      for (const part of ["gateway", "worker"]) await allReady(kubectl, part, 2);
      const crowd = await gatherCrowd(simulator, 2);
      await crowd.ask("Mira, are you there?");
      const before = (await configMaps()).find((one) => one.includes("-config-")) ?? "none";
      const [gateways, workers] = [await names("gateway"), await names("worker")];

      await helm("upgrade", ...given, "--set-string", "config.LANES=100000");
      const stuck = await vi.waitFor(() => newOne("worker", workers), patience);
      const said = () => kubectl(["logs", stuck, "--all-containers", "--ignore-errors"]);
      await vi.waitFor(async () => expect(await said()).toContain("LANES"), patience);

      // Its ConfigMap is gone, and the node's kubelet keeps one that cannot change as long as a pod there uses it.
      expect(await configMaps()).not.toContain(before);
      await kubectl(["delete", "pod", workers[0] ?? "", "--wait"]);
      const fresh = await vi.waitFor(() => newOne("worker", [...workers, stuck]), patience);
      await kubectl(["wait", "--for=condition=Ready", `pod/${fresh}`, "--timeout=120s"]);
      expect(await crowd.ask("Mira, are you still there?")).toMatch(/^\*\*Mira:\*\* /);

      // A kubelet that does not have it, as on any other node.
      await restartKubelet();
      const oldGateway = gateways[0] ?? "";
      const inIt = (code: string) => kubectl(["exec", oldGateway, "-c", "discord-agent", "--", "node", "-e", code]);
      // It looks for its pods first.
      await vi.waitFor(() => inIt(""), patience);
      await inIt("process.kill(1)");
      await vi.waitFor(async () => expect(await waiting(oldGateway)).toContain("CreateContainerConfigError"), patience);
      expect(await crowd.ask("Mira, and now?")).toMatch(/^\*\*Mira:\*\* /);

      await helm("rollback", "bot", "1", "--wait", "--timeout", "300s");
      for (const part of ["gateway", "worker"]) await allReady(kubectl, part, 2);
      expect(new Set(await names("gateway"))).toEqual(new Set(gateways));
      expect(new Set(await names("worker"))).toEqual(new Set([workers[1], fresh]));
      expect(await configMaps()).toContain(before);
      expect(await crowd.ask("Mira, and at last?")).toMatch(/^\*\*Mira:\*\* /);
    });
  },
  whyNoRestart,
);

import { expect, it, vi } from "vitest";
import { patience } from "../failure/discord-bot.ts";
import { describeOnCluster } from "./cluster.ts";
import { agent, furnishLocalPods } from "./local-pods.ts";
import { applyAccess } from "./release.ts";

describeOnCluster("a pod with the rights of its Role alone", (namespace) => {
  const { kubectl, through } = namespace;
  const { start, apply, isServed, promptOf } = furnishLocalPods(namespace);

  it("goes on with the last settings when one is taken away, says which, and follows again when it is given back", async () => {
    const { forwarder, kubeconfig } = await through(await applyAccess(namespace));
    const pod = start("pod-a", { KUBECONFIG: kubeconfig });
    const settings = async () =>
      ((await (await pod.get("/health")).json()) as { components: { settings: object } }).components.settings;
    await apply(agent("mira", { prompt: "You are Mira, the first." }));
    await isServed("mira");
    const events = async () =>
      (
        await kubectl(["get", "events", "-o", "jsonpath={range .items[*]}{.involvedObject.name} {.reason};{end}"])
      ).split(";");
    await vi.waitFor(async () => expect(await events()).toContain("mira Serving"), patience);
    expect(await promptOf("who are you?")).toContain("Mira, the first");

    const { rules } = JSON.parse(await kubectl(["get", "role", "discord-agent", "-o", "json"])) as {
      rules: { resources: string[] }[];
    };
    const fewer = rules.filter(({ resources }) => !resources.includes("agents"));
    expect(fewer).toHaveLength(rules.length - 1);
    await kubectl(["patch", "role", "discord-agent", "--type=merge", "-p", JSON.stringify({ rules: fewer })]);
    // A watch that is open stays allowed.
    forwarder.cut();
    const reason = expect.stringMatching(
      /^the Role of this pod's ServiceAccount must allow .*list and watch of agents: agents\.discord-agent\.dev is forbidden/,
    ) as unknown;
    await vi.waitFor(
      async () => expect(await settings()).toMatchObject({ status: "degraded", details: { reason } }),
      patience,
    );
    await apply(agent("mira", { prompt: "You are Mira, the second." }));
    expect(await promptOf("are you still there?")).toContain("Mira, the first");
    expect((await pod.get("/health/ready")).status).toBe(200);
    expect(JSON.stringify(await pod.status())).toContain("must allow");

    await applyAccess(namespace);
    await isServed("mira");
    expect(await promptOf("and who now?")).toContain("Mira, the second");
    expect(await settings()).toMatchObject({ status: "healthy" });
  });
});

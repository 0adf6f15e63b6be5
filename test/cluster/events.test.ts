import { expect, it, vi } from "vitest";
import { patience, ready } from "../failure/discord-bot.ts";
import { describeOnCluster } from "./cluster.ts";
import { agent, furnishLocalPods } from "./local-pods.ts";

interface Event {
  readonly involvedObject: { readonly kind: string; readonly name: string };
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly reportingComponent: string;
}

describeOnCluster("the events that the product writes", (namespace) => {
  const { kubectl } = namespace;
  const { start, apply, get, condition, isServed } = furnishLocalPods(namespace);

  /** All that was told about an object, in the words of `kubectl get events`, in no order: their times are whole seconds. */
  const told = async (kind: string, name: string) => {
    const { items } = JSON.parse(await kubectl(["get", "events", "-o", "json"])) as { items: Event[] };
    return items
      .filter(({ involvedObject: one }) => one.kind === kind && one.name === name)
      .map(({ type, reason, message, reportingComponent: by }) => `${by} ${type} ${reason}: ${message}`)
      .toSorted();
  };
  const serving = async (name: string) => (await condition(name, "Serving"))?.message ?? "";
  /** Resolves once a version of an agent is served that was not before; to the condition's message. */
  const changed = async (name: string, before: string) => {
    await vi.waitFor(async () => expect(await serving(name)).not.toBe(before), patience);
    await isServed(name);
    return serving(name);
  };

  it("say once that a pod lacks its token, whatever else changes", async () => {
    await apply(agent("mira", { prompt: "You are Mira." }));
    const pod = start("pod-a", { DISCORD_TOKEN: "" });
    await ready(pod);
    const first = [
      "discord-agent Warning MissingDiscordToken: DISCORD_TOKEN is not set: the bot hears nobody. Put the bot's token into the Secret that the pod mounts; it starts by itself then",
    ];
    await vi.waitFor(async () => expect(await told("Pod", "pod-a")).toEqual(first), patience);
    await isServed("mira");
    const before = await serving("mira");
    await apply(agent("mira", { prompt: "You are another Mira." }));
    await changed("mira", before);
    await kubectl(["create", "configmap", "unrelated"]);
    expect(await told("Pod", "pod-a")).toEqual(first);
    expect(((await pod.status()) as unknown as { missing: unknown }).missing).toEqual(["DISCORD_TOKEN"]);
  });

  it("tell of each change of an agent once: served, refused, good again", async () => {
    start("pod-a");
    await apply(agent("ann", { prompt: "You are Ann.", default: true }), agent("bob", { prompt: "You are Bob." }));
    await isServed("bob");
    const first = await serving("bob");
    const events = [`discord-agent Normal Serving: ${first}`];
    expect(first).toMatch(/^1\/1 pods at revision [0-9a-f]{12}$/);
    await vi.waitFor(async () => expect(await told("Agent", "bob")).toEqual(events), patience);

    await apply(agent("bob", { prompt: "You are Bob the second." }));
    const second = await changed("bob", first);
    events.push(`discord-agent Normal Serving: ${second}`);
    await vi.waitFor(async () => expect(await told("Agent", "bob")).toEqual(events.toSorted()), patience);

    await apply(agent("bob", { prompt: "You are Bob the third.", default: true }));
    await vi.waitFor(async () => expect((await condition("bob", "Accepted"))?.status).toBe("False"), patience);
    events.push(
      "discord-agent Warning NotAccepted: spec.default: bob is a second default agent; ann is one already. Keep default: true on one agent alone",
      `discord-agent Warning NotServing: the last good version is served: ${second}`,
    );
    await vi.waitFor(async () => expect(await told("Agent", "bob")).toEqual(events.toSorted()), patience);

    await apply(agent("bob", { prompt: "You are Bob the fourth." }));
    await isServed("bob");
    events.push(
      "discord-agent Normal Accepted: this version is good",
      `discord-agent Normal Serving: ${await serving("bob")}`,
    );
    await vi.waitFor(async () => expect(await told("Agent", "bob")).toEqual(events.toSorted()), patience);
    expect(await told("Agent", "ann")).toHaveLength(1);
  });

  it("tell once what an agent names and is not there, and when it has come", async () => {
    start("pod-a");
    const from = { promptFrom: { configMapKeyRef: { name: "cleo-prompts", key: "cleo" } } };
    await apply(agent("ann", { prompt: "You are Ann." }), agent("cleo", from));
    const missing = [
      "discord-agent Warning NotReferencesResolved: spec.promptFrom.configMapKeyRef: there is no ConfigMap cleo-prompts in the namespace. Create it, or name another",
      "discord-agent Warning NotServing: no version of it has been good yet",
    ];
    await vi.waitFor(async () => expect(await told("Agent", "cleo")).toEqual(missing), patience);
    await kubectl(["create", "configmap", "cleo-prompts", "--from-literal=cleo=You are Cleo."]);
    await isServed("cleo");
    const come = [
      "discord-agent Normal ReferencesResolved: everything it names is there",
      `discord-agent Normal Serving: ${await serving("cleo")}`,
    ];
    await vi.waitFor(async () => expect(await told("Agent", "cleo")).toEqual([...come, ...missing]), patience);
  });

  it("are silent while an agent stays as it is, though pods come, go and begin anew", async () => {
    const one = start("pod-a");
    await apply(agent("dan", { prompt: "You are Dan." }));
    await isServed("dan");
    const only = [`discord-agent Normal Serving: ${await serving("dan")}`];
    await vi.waitFor(async () => expect(await told("Agent", "dan")).toEqual(only), patience);

    const other = start("pod-b");
    await vi.waitFor(async () => expect((await get("dan")).status?.serving).toBe("2/2"), patience);
    // The one that writes the status goes; the other takes over.
    one.kill("SIGTERM");
    await one.exited;
    await vi.waitFor(async () => expect((await get("dan")).status?.serving).toBe("1/1"), patience);
    start("pod-a");
    await vi.waitFor(async () => expect((await get("dan")).status?.serving).toBe("2/2"), patience);
    other.kill("SIGTERM");
    await other.exited;
    await vi.waitFor(async () => expect((await get("dan")).status?.serving).toBe("1/1"), patience);
    await apply(agent("dan", { prompt: "You are Dan." }));

    // What is told of an agent that comes later would come after what there was to tell of this one.
    await apply(agent("eve", { prompt: "You are Eve." }));
    await vi.waitFor(async () => expect(await told("Agent", "eve")).toHaveLength(1), patience);
    expect(await told("Agent", "dan")).toEqual(only);
  });
});

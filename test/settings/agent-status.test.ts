import { describe, expect, it } from "vitest";
import { isSameStatus, statusOf, transitionsOf, type AgentStatus } from "../../src/cluster/agent-status.ts";
import type { ServingPod } from "../../src/cluster/serving.ts";
import { revisionOf } from "../../src/settings/agents-rules.ts";
import { decideAgents, type AgentObject, type GoodVersion } from "../../src/settings/cluster-agents.ts";
import type { Agent } from "../../src/settings/settings.ts";

/** One agent and its pods over time: the status that is written after each step, and what is told meanwhile. */
function follow() {
  let status: AgentStatus | undefined;
  let last: GoodVersion | null = null;
  let generation = 0;
  let seconds = 0;
  let spec: object = {};
  const told: string[] = [];
  const step = (pods: readonly (Agent | null)[]) => {
    const object = {
      apiVersion: "discord-agent.dev/v1alpha1",
      kind: "Agent",
      metadata: { name: "mira", resourceVersion: "1", generation },
      spec: { displayName: "Mira", description: "everything", ...spec },
      ...(status === undefined ? {} : { status }),
    } as AgentObject;
    const lasts = new Map(last === null ? [] : [["mira", last] as const]);
    const [state] = decideAgents([object], { configMaps: new Map(), last: lasts, hasVoice: () => true });
    if (state === undefined) throw new Error("there is no state");
    last = state.good;
    const serving = pods.map((agent, index): ServingPod => {
      const served = agent ?? state.agent;
      return { pod: `pod-${index}`, revisions: served === null ? {} : { mira: revisionOf(served) } };
    });
    const next = statusOf({ ...state, object }, serving, "offline", new Date(seconds++ * 1_000));
    if (!isSameStatus(next, status))
      told.push(...transitionsOf(next, status).map(({ type, reason }) => `${type} ${reason}`));
    status = next;
    return state.agent;
  };
  return {
    /** A new version; `pods` say which version each serves, null: the newest good one. */
    change: (prompt: string, pods: readonly (Agent | null)[]) => {
      spec = { prompt };
      generation += 1;
      return step(pods);
    },
    step,
    reason: () => status?.conditions.find(({ type }) => type === "Serving")?.reason,
    message: () => status?.conditions.find(({ type }) => type === "Serving")?.message,
    /** What was told since it was last asked. */
    told: () => told.splice(0),
  };
}

describe("what is told of an agent", () => {
  it("is each version that all pods serve, once, whether or not it was seen on its way", () => {
    const mira = follow();
    const first = mira.change("one", [null, null]);
    expect(mira.told()).toEqual(["Normal Serving"]);
    const second = mira.change("two", [first, first]);
    mira.step([null, first]);
    expect([mira.reason(), mira.told()]).toEqual(["Progressing", []]);
    mira.step([null, null]);
    expect(mira.told()).toEqual(["Normal Serving"]);
    mira.change("three", [null, null]);
    expect(mira.told()).toEqual(["Normal Serving"]);
    mira.step([second, null]);
    mira.step([null, null]);
    expect(mira.told()).toEqual([]);
  });

  it("is nothing while pods come and go", () => {
    const mira = follow();
    const first = mira.change("one", [null]);
    mira.told();
    const other = follow().change("something else", []);
    mira.step([null, other]);
    expect(mira.reason()).toBe("PodsJoining");
    mira.step([null, other, other]);
    mira.step([null, null, other]);
    mira.step([null, null, null]);
    expect([mira.reason(), mira.told()]).toEqual(["Served", []]);
    mira.step([null, other]);
    const second = mira.change("two", [first, other]);
    expect([mira.reason(), mira.told()]).toEqual(["Progressing", []]);
    mira.step([second, second]);
    expect(mira.told()).toEqual(["Normal Serving"]);
  });

  it("is that a version is bad and that it is good again, also when that comes while another is on its way or pods join", () => {
    const mira = follow();
    const first = mira.change("one", [null]);
    mira.told();
    mira.change(" ", [first]);
    expect(mira.told()).toEqual(["Warning NotAccepted", "Warning NotServing"]);
    mira.step([first, null]);
    expect(mira.told()).toEqual([]);
    mira.change("one", [null, null]);
    expect(mira.told()).toEqual(["Normal Accepted", "Normal Serving"]);
    mira.change("two", [first, first]);
    mira.change(" ", [null, first]);
    expect(mira.told()).toEqual(["Warning NotAccepted", "Warning NotServing"]);
  });

  it("is of a bad version, by a pod that has never known a good one, how many others still serve that", () => {
    const good = follow().change("one", [null]);
    const mira = follow();
    mira.change(" ", [good, null]);
    expect(mira.message()).toBe(
      "the last good version is served by 1/2 pods; pods that have started since it is bad do not know that version",
    );
    mira.step([null, null]);
    expect(mira.message()).toBe("no version of it has been good yet");
  });
});

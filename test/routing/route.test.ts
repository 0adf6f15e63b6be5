import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { phrases, type PhraseKey } from "../../src/discord/phrases.ts";
import type { Envelope } from "../../src/envelope.ts";
import { route } from "../../src/routing/route.ts";
import type { Agent, Snapshot } from "../../src/settings/settings.ts";
import { agentNamed } from "../settings/agents.ts";

function agent(name: string, change: Partial<Agent> = {}): Agent {
  return agentNamed(name, { displayName: `${name[0]?.toUpperCase()}${name.slice(1)}`, ...change });
}

function snapshot(...agents: [Agent, ...Agent[]]): Snapshot {
  return { revision: "r", agents, defaultAgent: agents[0] };
}

function said(text: string, change: Partial<Envelope> = {}): Envelope {
  return {
    messageId: "1",
    guildId: "2",
    guildName: "Guild",
    channelId: "3",
    channelName: "general",
    audience: "public",
    conversationId: "3",
    author: { id: "4", name: "Ann", kind: "person" },
    text,
    receivedAt: new Date(0),
    addressed: false,
    addressedAgent: null,
    locale: null,
    ...change,
  };
}

const three = snapshot(agent("mira"), agent("teo"), agent("mia", { displayName: "ミア" }));

/** Judge and agent in short: `name mira`, `addressed ?` when the supervisor chooses, `ignore bot`. */
function decided(envelope: Envelope, settings = three): string {
  const decision = route(envelope, settings);
  return decision.kind === "ignore" ? `ignore ${decision.judge}` : `${decision.judge} ${decision.agent?.name ?? "?"}`;
}

describe("who is not answered", () => {
  it.each([
    [
      "the bot's own words",
      said("Mira, hi", { author: { id: "4", name: "x", kind: "self" }, addressed: true }),
      "ignore own-message",
    ],
    ["another bot", said("Mira, hi", { author: { id: "4", name: "x", kind: "bot" }, addressed: true }), "ignore bot"],
    ["nothing but space", said(" \n\u3000", { addressed: true }), "ignore empty"],
    ["talk among people in a shared channel", said("see you tomorrow"), "ignore not-addressed"],
  ])("%s", (_name, envelope, judgement) => {
    expect(decided(envelope)).toBe(judgement);
    // Moderators who ask why are told in their language, by this text.
    const { reason } = route(envelope, three);
    expect(phrases.en[judgement.replace("ignore ", "judged.") as PhraseKey]).toBe(reason);
  });
});

it("who only calls the bot to what somebody else said is answered", () => {
  const repliedTo = { author: "Ben", text: "the harbour opens at nine" };
  expect(decided(said("", { addressed: true, repliedTo }))).toBe("addressed ?");
});

describe("who calls an agent is answered by it", () => {
  it.each([
    ["Mira, what is next?", "mira"],
    ["mira what is next?", "mira"],
    ["MIRA!", "mira"],
    ["Mira", "mira"],
    ["Ｍｉｒａ: next?", "mira"],
    ["hey Mira can you help", "mira"],
    ["**Teo**, look", "teo"],
    ["what do you think, Teo?", "teo"],
    ["could @teo look at this", "teo"],
    ["That went well. Teo, what is left?", "teo"],
    ["Good. Thanks Teo", "teo"],
    ["Teo, ask Mira, please", "teo"],
    ["@Mira and @Teo please", "mira"],
    ["ミア、元気？", "mia"],
    ["ミアさん、元気？", "mia"],
    ["ねえミア、元気？", "mia"],
    ["ミアは元気？", "mia"],
    ["教えて、ミア。", "mia"],
    ["@ミア 教えて", "mia"],
    ["mia, hi", "mia"],
  ])("%s", (text, name) => expect(decided(said(text))).toBe(`name ${name}`));

  it.each([
    "I asked Mira yesterday",
    "Mira's plan is good",
    "Miracles happen",
    "the admiral and Teodor",
    "mail teo@example.org or x@mira",
    "ミアキスは古い",
    "a teoría, b",
    "",
  ])("talk about somebody is no call: %s", (text) => expect(decided(said(text))).toMatch(/^ignore/));

  it("by the identity of the agent, before any name in the text", () => {
    expect(decided(said("Mira, hi", { addressedAgent: "teo" }))).toBe("identity teo");
    expect(decided(said("hi", { addressed: true, addressedAgent: "gone" }))).toBe("addressed ?");
  });

  it("unless its mention trigger is off", () => {
    const quiet = snapshot(agent("mira", { triggers: { mention: false, keywords: [] } }), agent("teo"));
    expect(decided(said("Mira, hi"), quiet)).toBe("ignore not-addressed");
  });

  it("the longer of two names that begin alike", () => {
    const max = snapshot(agent("max"), agent("planck", { displayName: "Max Planck" }));
    expect(decided(said("Max Planck, hi"), max)).toBe("name planck");
    expect(decided(said("Max, hi"), max)).toBe("name max");
  });
});

describe("keywords", () => {
  const keywords = (...words: string[]) => ({ triggers: { mention: true, keywords: words } });

  it("choose an agent, also when nobody was addressed", () => {
    const settings = snapshot(agent("mira"), agent("teo", keywords("stack trace", "C++", "料理")));
    for (const text of ["here is a Stack Trace:", "is c++ hard?", "今日の料理は何"])
      expect(decided(said(text), settings)).toBe("keyword teo");
    for (const text of ["stack traces", "haystack trace"])
      expect(decided(said(text), settings)).toBe("ignore not-addressed");
  });

  it("of two agents choose the one with the higher weight here, then the first", () => {
    const settings = snapshot(
      agent("mira", keywords("plan")),
      agent("teo", { ...keywords("plan"), channels: { allow: [], deny: [], weights: { "#Dev": 0.9, quiet: 0.1 } } }),
    );
    expect(decided(said("a plan", { channelName: "dev" }), settings)).toBe("keyword teo");
    expect(decided(said("a plan", { channelName: "quiet" }), settings)).toBe("keyword mira");
    expect(decided(said("a plan"), settings)).toBe("keyword mira");
  });
});

describe("channels", () => {
  const only = (allow: string[], deny: string[] = []) => ({ channels: { allow, deny, weights: {} } });

  it("are allowed and denied by name or id, for calls by name too", () => {
    const settings = snapshot(
      agent("mira", only([], ["3"])),
      agent("teo", only(["#General"])),
      agent("juno", only(["dev"])),
    );
    expect(route(said("hi", { addressed: true }), settings)).toMatchObject({
      judge: "addressed",
      agent: { name: "teo" },
      candidates: [{ name: "teo" }],
    });
    expect(decided(said("Mira, hi"), settings)).toBe("ignore not-addressed");
    expect(decided(said("Juno, hi", { addressed: true }), settings)).toBe("addressed teo");
    expect(decided(said("hi", { addressed: true, channelId: "9", channelName: "lobby" }), settings)).toBe(
      "addressed mira",
    );
  });

  it("where nobody may speak are silent, with a reason", () => {
    const settings = snapshot(agent("mira", only(["dev"])));
    expect(route(said("Mira, hi", { addressed: true }), settings)).toEqual({
      kind: "ignore",
      judge: "channel",
      reason: "no agent may speak in this channel",
    });
  });

  it("do not restrict a direct conversation", () => {
    const settings = snapshot(agent("mira", only(["dev"])), agent("teo"));
    expect(decided(said("hi", { audience: "direct", guildId: null }), settings)).toBe("addressed ?");
  });

  it("pass their weights on to the supervisor, as a hint", () => {
    const weights = { general: 0.9, "77": 0.2 };
    const settings = snapshot(agent("mira"), agent("teo", { channels: { allow: [], deny: [], weights } }));
    expect(route(said("hi", { addressed: true }), settings)).toMatchObject({ agent: null, weights: { teo: 0.9 } });
    expect(route(said("hi", { addressed: true, channelId: "77", channelName: "x" }), settings)).toMatchObject({
      weights: { teo: 0.2 },
    });
  });
});

it("always decides, with a judge and a reason that holds nothing of the message", () => {
  const word = fc.oneof(
    fc.constantFrom("Mira", "ミア", "@", ",", "さん", "plan", " ", "\n", "\ud800", "?"),
    fc.string({ unit: "binary", maxLength: 8 }),
  );
  const text = fc.array(word).map((words) => words.join(""));
  const someAgent = fc
    .record({
      displayName: text,
      keywords: fc.array(text),
      allow: fc.array(text),
      weights: fc.dictionary(text, fc.double({ min: 0, max: 1 })),
    })
    .map(({ displayName, keywords, allow, weights }) =>
      agent("mira", { displayName, triggers: { mention: true, keywords }, channels: { allow, deny: [], weights } }),
    );
  fc.assert(
    fc.property(text, text, fc.boolean(), someAgent, (message, channelName, addressed, one) => {
      const canary = `${message} canary-71`;
      const decision = route(said(canary, { channelName, addressed }), snapshot(one, agent("teo")));
      expect(decision.judge).not.toBe("");
      expect(decision.reason).not.toContain("canary-71");
      const [chosen, candidates] = decision.kind === "answer" ? [decision.agent, decision.candidates] : [null, []];
      expect(chosen === null || candidates.includes(chosen)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

it("takes no noticeable time for the longest message and a name that fills it", () => {
  const settings = snapshot(agent("a", { displayName: "a", triggers: { mention: true, keywords: ["a a"] } }));
  const startedMs = performance.now();
  route(said(", a".repeat(3_000)), settings);
  expect(performance.now() - startedMs).toBeLessThan(100);
});

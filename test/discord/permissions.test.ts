import { describe, expect, test } from "vitest";
import {
  permission,
  permissionsIn,
  readableChannels,
  readableWhereverReadable,
  type ChannelMap,
  type GuildMap,
  type Overwrite,
} from "../../src/discord/permissions.ts";
import { allowedPairs, bitsOf, makeDice, members, randomGuild } from "./permission-oracle.ts";

const { viewChannel, sendMessages, readMessageHistory, administrator, embedLinks, connect, sendMessagesInThreads } =
  permission;
const reading = viewChannel | readMessageHistory;

function channel(id: string, overwrites: readonly Overwrite[] = [], more: Partial<ChannelMap> = {}): ChannelMap {
  return { id, parentId: null, kind: "channel", nsfw: false, overwrites, ...more };
}

function guild(channels: readonly ChannelMap[], roles: Readonly<Record<string, bigint>> = {}): GuildMap {
  return {
    guildId: "g",
    ownerId: "owner",
    roles: new Map(Object.entries({ g: reading | sendMessages | embedLinks, ...roles })),
    channels: new Map(channels.map((each) => [each.id, each])),
  };
}

const role = (id: string, allow: bigint, deny = 0n): Overwrite => ({ kind: "role", id, allow, deny });
const member = (id: string, allow: bigint, deny = 0n): Overwrite => ({ kind: "member", id, allow, deny });
const hidden = role("g", 0n, viewChannel);
const nobody = { id: "ann", roles: [] };

describe("what a member may do in a channel", () => {
  test("overwrites apply to @everyone, then all denials of roles, then all allowances, then the member", () => {
    const layers = guild(
      [channel("c", [role("red", 0n, sendMessages), role("blue", sendMessages), member("bo", 0n, viewChannel)])],
      { red: 0n, blue: 0n },
    );
    const may = (id: string, ...roles: string[]) => permissionsIn(layers, "c", { id, roles });
    expect(may("ann", "red") & sendMessages).toBe(0n);
    expect(may("ann", "red", "blue") & sendMessages).toBe(sendMessages);
    expect(may("ann", "blue", "red")).toBe(may("ann", "red", "blue"));
    expect(may("bo", "blue")).toBe(0n);
  });

  test("owner and administrators may everything, whatever is denied", () => {
    const closed = guild([channel("c", [hidden, member("owner", 0n, viewChannel), role("admin", 0n, viewChannel)])], {
      admin: administrator,
    });
    for (const each of [
      { id: "owner", roles: [] },
      { id: "ann", roles: ["admin"] },
    ])
      expect(permissionsIn(closed, "c", each) & (reading | permission.moderateMembers)).toBe(
        reading | permission.moderateMembers,
      );
    expect(permissionsIn(closed, "c", nobody)).toBe(0n);
  });

  test("nothing is left without a view of the channel, and nothing that goes with sending without that", () => {
    const muted = guild([channel("c", [role("g", 0n, sendMessages)])]);
    expect(permissionsIn(muted, "c", nobody)).toBe(reading);
    expect(permissionsIn(muted, "unknown", nobody)).toBe(0n);
    expect(permissionsIn(muted, "unknown", { id: "owner", roles: [] })).toBe(0n);
  });

  test("a thread has its parent's permissions and its own for sending; without its parent it has none", () => {
    const threads = guild([
      channel("c", [role("g", sendMessagesInThreads, sendMessages)]),
      channel("t", [], { kind: "public-thread", parentId: "c" }),
      channel("p", [], { kind: "private-thread", parentId: "c" }),
      channel("lost", [], { kind: "public-thread", parentId: "gone" }),
      channel("nested", [], { kind: "public-thread", parentId: "t" }),
    ]);
    const may = (id: string) => permissionsIn(threads, id, nobody);
    expect(may("c") & (sendMessages | embedLinks)).toBe(0n);
    expect(may("t") & (sendMessages | embedLinks)).toBe(sendMessages | embedLinks);
    expect(may("p")).toBe(may("t"));
    expect([may("lost"), may("nested")]).toEqual([0n, 0n]);
  });

  test("a voice channel's chat needs the permission to connect", () => {
    const voice = guild([channel("v", [], { kind: "voice" }), channel("w", [role("g", connect)], { kind: "voice" })]);
    expect(permissionsIn(voice, "v", nobody)).toBe(viewChannel);
    expect(permissionsIn(voice, "w", nobody) & reading).toBe(reading);
  });

  test("in ten thousand guilds, what Discord's documentation computes for every possible member", () => {
    const dice = makeDice(7);
    for (let round = 0; round < 10_000; round++) {
      const map = randomGuild(dice);
      const all = members(map);
      const who = all[dice(all.length)];
      for (const each of map.channels.values()) {
        if (each.kind !== "channel" || who === undefined) continue;
        const right = BigInt.asUintN(64, BigInt(bitsOf(map, each, who.person, who.roles)));
        const said = permissionsIn(map, each.id, { id: who.person, roles: who.roles });
        expect(said).toBe((right & viewChannel) === 0n ? 0n : right);
      }
    }
  });

  test("the bits are Discord's", () => {
    const sum = Object.values(permission).reduce((all, bit) => all | bit, 0n);
    expect(sum).toBe(0x14c_2017_fc78n);
  });
});

describe("memories that everyone may read who reads the answer", () => {
  test("in a hundred thousand guilds, the same as asking every possible member: none leaked, none lost", () => {
    const dice = makeDice(20_261_101);
    const count = { pairs: 0, "stay allowed": 0, leaked: 0, lost: 0 };
    let wrong: unknown = null;
    const compare = (map: GuildMap, allowed: ReadonlySet<string>, here: string, from: string) => {
      const said = readableWhereverReadable(map, from, here);
      const right = allowed.has(`${from} ${here}`);
      if (from !== here) count.pairs += 1;
      if (from !== here && right) count["stay allowed"] += 1;
      if (said && !right) count.leaked += 1;
      if (!said && right) count.lost += 1;
      if (said !== right || readableChannels(map, here).includes(from) !== right) wrong ??= { map, from, here, right };
    };
    for (let round = 0; round < 100_000; round++) {
      const map = randomGuild(dice);
      const allowed = allowedPairs(map);
      for (const here of map.channels.keys()) for (const from of map.channels.keys()) compare(map, allowed, here, from);
    }
    console.log("pairs of channels in 100,000 guilds", count);
    expect(wrong).toBeNull();
    expect(count["stay allowed"] / count.pairs).toBeGreaterThan(0.1);
    expect(count["stay allowed"] / count.pairs).toBeLessThan(0.9);
  });

  test("a public channel's memories go everywhere, a hidden one's only where its readers are", () => {
    const house = guild(
      [
        channel("hall"),
        channel("staff", [hidden, role("staff", viewChannel)]),
        channel("lead", [hidden, role("lead", viewChannel)]),
        channel("both", [hidden, role("staff", viewChannel), role("lead", viewChannel)]),
        channel("ann", [hidden, role("staff", viewChannel), member("ann", viewChannel)]),
      ],
      { staff: 0n, lead: 0n },
    );
    expect(readableChannels(house, "hall")).toEqual(["hall"]);
    expect(readableChannels(house, "staff")).toEqual(["hall", "staff", "both", "ann"]);
    expect(readableChannels(house, "both")).toEqual(["hall", "both"]);
    expect(readableChannels(house, "ann")).toEqual(["hall", "ann"]);
  });

  test("who has one role that opens here and another that closes there is thought of", () => {
    const house = guild(
      [channel("here", [hidden, role("opens", viewChannel)]), channel("there", [role("closes", 0n, viewChannel)])],
      { opens: 0n, closes: 0n },
    );
    expect(readableWhereverReadable(house, "there", "here")).toBe(false);
  });

  test("a channel whose history is closed to its readers gives nothing away, not even to its threads", () => {
    const house = guild([
      channel("c", [role("g", 0n, readMessageHistory)]),
      channel("t", [], { kind: "public-thread", parentId: "c" }),
      channel("open"),
    ]);
    expect(readableChannels(house, "t")).toEqual(["t", "open"]);
    expect(readableChannels(house, "c")).toEqual(["c", "open"]);
  });

  test("a private thread's memories stay in it, and it may use its parent's", () => {
    const house = guild([
      channel("c"),
      channel("p", [], { kind: "private-thread", parentId: "c" }),
      channel("t", [], { kind: "public-thread", parentId: "c" }),
    ]);
    expect(readableChannels(house, "p")).toEqual(["c", "p", "t"]);
    expect(readableChannels(house, "c")).toEqual(["c", "t"]);
  });

  test("nothing age-restricted goes where there is no restriction; a thread is restricted as its parent", () => {
    const house = guild([
      channel("c"),
      channel("x", [], { nsfw: true }),
      channel("t", [], { kind: "public-thread", parentId: "x" }),
    ]);
    expect(readableChannels(house, "c")).toEqual(["c"]);
    expect(readableChannels(house, "t")).toEqual(["c", "x", "t"]);
  });

  test("what the map does not know is closed", () => {
    const house = guild([channel("c"), channel("t", [], { kind: "public-thread", parentId: "gone" })]);
    const asked = (from: string, here: string) => readableWhereverReadable(house, from, here);
    expect([asked("c", "?"), asked("?", "c"), asked("t", "c"), asked("c", "t")]).toEqual([false, false, false, false]);
    expect([asked("?", "?"), readableChannels(house, "?")]).toEqual([true, []]);
    const cold = { ...guild([channel("c"), channel("d")]), roles: new Map<string, bigint>() };
    expect(readableChannels(cold, "c")).toEqual(["c"]);
  });
});

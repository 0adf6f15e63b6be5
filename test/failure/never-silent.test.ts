import { expect, it, vi } from "vitest";
import { describeUnless } from "../servers/databases.ts";
import { startPostgres } from "../servers/postgres.ts";
import { whyNoOwnPostgres } from "../servers/shared.ts";
import type { DiscordSimulator } from "../simulators/discord/simulator.ts";
import { answersIn, patience } from "./discord-bot.ts";
import { describeInSetUps, inHouse, setUps, type House } from "./discord-house.ts";
import { openFleet } from "./fleet.ts";

type Message = ReturnType<DiscordSimulator["world"]["message"]>;

const mostMs = 10_000;

/** Resolves once the one who asked saw something, that the bot types or its words, to the milliseconds since then. */
async function seenAfter(discord: DiscordSimulator, asked: Message): Promise<number> {
  const { world } = discord;
  const since = (at: number) => at >= asked.createdAt;
  const signs = () => [
    ...world.typing({ id: asked.channelId }).map(({ at }) => at),
    ...answersIn(discord, { id: asked.channelId }).map(({ createdAt }) => createdAt),
  ];
  const first = await vi.waitFor(() => {
    const [earliest] = signs()
      .filter(since)
      .toSorted((a, b) => a - b);
    if (earliest === undefined) throw new Error("nothing was seen yet");
    return earliest;
  }, patience);
  return first - asked.createdAt;
}

describeInSetUps("who calls the bot sees something within ten seconds", await setUps(), (setUp) => {
  const main = { on: "generate", model: "gemini-3.5-flash-lite", times: null } as const;
  const other = { on: "generate", model: "gemini-second", times: null } as const;
  const both = { GEMINI_FALLBACK_MODEL: "gemini-second", TURN_DEADLINE_SECONDS: "30" };
  const stay = (use: (house: House) => Promise<void>) => inHouse({}, use, setUp);
  const sayMiso = async (house: House) => {
    await house.answered(house.ask("my cat is called Miso."), "Re: my cat");
  };

  it.concurrent("when the first model hangs and the fallback model answers", async () =>
    stay(async (house) => {
      await house.start(both);
      house.gemini.script({ ...other, reply: { agent: "mira", reply: "From the other one." } });
      const asked = house.ask("which one?", { model: { ...main, fault: "hang" } });
      expect(await seenAfter(house.discord, asked)).toBeLessThanOrEqual(mostMs);
      await house.answered(asked, "From the other one.");
    }));

  it.concurrent("when neither model answers and memory does", async () =>
    stay(async (house) => {
      await house.start(both);
      await sayMiso(house);
      house.gemini.script({ ...main, fault: "502-html" }, { ...other, fault: "502-html" });
      const asked = house.ask("what is my cat called?", { model: { fault: "502-html" } });
      expect(await seenAfter(house.discord, asked)).toBeLessThanOrEqual(mostMs);
      await house.answered(asked, "this is only what I remember");
      expect(house.repliesTo(asked)[0]?.content).toContain("Miso");
    }));

  it.concurrent("when the answer has to wait for quota, and is kept", async () =>
    stay(async (house) => {
      await house.start({ GEMINI_REQUESTS_PER_MINUTE: "1", TURN_DEADLINE_SECONDS: "30" });
      await sayMiso(house);
      const asked = house.ask("and now?");
      expect(await seenAfter(house.discord, asked)).toBeLessThanOrEqual(mostMs);
      await house.answered(asked, "Your message is kept");
    }));

  it.concurrent("when every lane is busy with a model that hangs", async () =>
    stay(async (house) => {
      await house.start({ LANES: "1", TURN_DEADLINE_SECONDS: "60" });
      const busy = house.ask("slow?", { model: { fault: "hang", times: 1 } });
      expect(await seenAfter(house.discord, busy)).toBeLessThanOrEqual(mostMs);
      const elsewhere = house.world.addChannel(house.guild, { name: "elsewhere" });
      const asked = house.ask("quick?", { channel: elsewhere });
      expect(await seenAfter(house.discord, asked)).toBeLessThanOrEqual(mostMs);
      expect(house.repliesTo(asked)).toEqual([]);
      await house.answered(asked, "Re: quick?");
    }));
});

describeUnless(await whyNoOwnPostgres(), "who calls a fleet sees something within ten seconds", () => {
  const inFleet = async (
    use: (
      fleet: Awaited<ReturnType<typeof openFleet>>,
      postgres: Awaited<ReturnType<typeof startPostgres>>,
    ) => Promise<void>,
  ) => {
    const postgres = await startPostgres();
    const fleet = await openFleet({ postgres: (await postgres.createDatabase()).url, redis: null });
    try {
      await fleet.migrate();
      await use(fleet, postgres);
    } finally {
      await fleet.close();
      await postgres.close();
    }
  };
  const asked = ({ discord: { world }, channel }: Awaited<ReturnType<typeof openFleet>>) => {
    const newest = world.messages(channel.id).findLast(({ byBot }) => !byBot);
    if (newest === undefined) throw new Error("nobody has asked anything");
    return newest;
  };

  it("when there is no worker; whoever comes answers", async () =>
    inFleet(async (fleet) => {
      await fleet.start("gateway");
      fleet.ask(1);
      expect(await seenAfter(fleet.discord, asked(fleet))).toBeLessThanOrEqual(mostMs);
      await fleet.start("worker");
      await fleet.answeredOnce();
      fleet.withoutFault();
    }));

  it("when there is no worker, also after the gateway that heard it was killed at once", async () =>
    inFleet(async (fleet) => {
      const env = { DISCORD_LEASE_SECONDS: "5" };
      const first = await fleet.start("gateway", env);
      fleet.ask(1);
      await vi.waitFor(async () => expect((await first.status()).inbox.waiting).toBe(1), patience);
      first.kill("SIGKILL");
      await first.exited;
      const killedAt = Date.now();
      await fleet.start("gateway", env);
      const typed = () => fleet.discord.world.typing(fleet.channel).some(({ at }) => at > killedAt);
      await vi.waitFor(() => expect(typed()).toBe(true), patience);
      await fleet.start("worker");
      await fleet.answeredOnce();
    }));

  it.each(["stop", "freeze"] as const)("when Postgres is away (%s); it is answered when it is back", async (how) =>
    inFleet(async (fleet, postgres) => {
      await Promise.all([fleet.start("gateway"), fleet.start("worker")]);
      await postgres[how]();
      fleet.ask(1);
      expect(await seenAfter(fleet.discord, asked(fleet))).toBeLessThanOrEqual(mostMs);
      await (how === "stop" ? postgres.start() : postgres.thaw());
      await fleet.answeredOnce();
      fleet.withoutFault(
        /^(?:the inbox could not be read; trying again|the queue reported an error|a shard was taken over by another process)$/,
      );
    }),
  );
});

import { setTimeout } from "node:timers/promises";
import type { RemoteDiscordSimulator } from "../simulators/discord/remote.ts";
import { patience, until } from "./until.ts";

/** A flood is answered long after it has ended. */
const longPatience = { timeout: 600_000, interval: 2_000 };

/** What became of the messages of a conversation. */
interface Tally {
  readonly sent: number;
  readonly answered: number;
  readonly lost: number;
  readonly doubled: number;
  /** Messages a second, as they were really sent. */
  readonly perSecond: number;
}

/** People of the sample world who talk to the bot in channels of their own. */
export interface Crowd {
  /** Asks once, and resolves to the answer. */
  ask(text: string): Promise<string>;
  /** Goes on asking, so many messages a second, until it is stopped; resolves then to what became of them, when all are answered or none comes any more. */
  talk(perSecond: number): { stop(): Promise<Tally> };
}

/** Opens channels for a crowd; needs the sample world. */
export async function gatherCrowd(simulator: RemoteDiscordSimulator, channels = 16): Promise<Crowd> {
  const { world } = simulator;
  const { guilds, users, bots } = (await world.everything()) as {
    guilds: { id: string }[];
    users: { id: string; name: string }[];
    bots: { id: string; name: string }[];
  };
  const [guild, reception] = [guilds[0]?.id ?? "", bots[0]?.id ?? ""];
  const rooms = await Promise.all(
    Array.from({ length: channels }, async (_, index) => {
      const channel = await world.addChannel({ id: guild }, { name: `room-${index}` });
      return { channel, author: users[index % users.length] };
    }),
  );
  let said = 0;
  const saying = (text: string) => {
    const room = rooms[said++ % rooms.length];
    if (room?.author === undefined) throw new Error("there is nobody who could talk");
    return { channel: room.channel, author: room.author, text: `<@${reception}> ${text}` };
  };
  const answersTo = async (ids: ReadonlySet<string>) => {
    const all = await Promise.all(rooms.map(({ channel }) => world.messages(channel.id)));
    return all.flat().filter(({ byBot, replyTo }) => byBot && replyTo !== null && ids.has(replyTo));
  };
  return {
    ask: async (text) => {
      const { id } = await world.say(saying(text));
      return until(async () => {
        const [answer] = await answersTo(new Set([id]));
        if (answer === undefined) throw new Error(`nobody answered "${text}"`);
        return answer.content;
      }, patience);
    },
    talk: (perSecond) => {
      const asked = new Set<string>();
      let isOn = true;
      const began = Date.now();
      const sayBatch = async (batch: number) => {
        const texts = Array.from({ length: perSecond / 2 }, (_, at) => `how are you, number ${batch}-${at}?`);
        for (const { id } of await simulator.sayAll(texts.map(saying))) asked.add(id);
      };
      // People do not wait until others have been heard: a slow cluster gets as many messages as a fast one.
      const talking = (async () => {
        const batches: Promise<void>[] = [];
        for (let batch = 1; isOn; batch += 1) {
          const sent = sayBatch(batch);
          // Told when the talk ends.
          sent.catch(() => {});
          batches.push(sent);
          await setTimeout(Math.max(0, began + batch * 500 - Date.now()));
        }
        await Promise.all(batches);
      })();
      return {
        stop: async () => {
          isOn = false;
          await talking;
          const rate = Math.round(asked.size / ((Date.now() - began) / 1_000));
          const tally = async (): Promise<Tally> => {
            const replies = (await answersTo(asked)).map(({ replyTo }) => replyTo);
            const answered = new Set(replies).size;
            return {
              sent: asked.size,
              answered,
              lost: asked.size - answered,
              doubled: replies.length - answered,
              perSecond: rate,
            };
          };
          await until(async () => {
            const { lost } = await tally();
            if (lost > 0) throw new Error(`${lost} are not answered`);
          }, longPatience).catch(() => {});
          return tally();
        },
      };
    },
  };
}

import type { DiscordSimulator } from "../simulators/discord/simulator.ts";
import type { Message } from "../simulators/discord/world/message.ts";

/** One message that was said in a soak, and the bot's visible answers to it. */
export interface Asked {
  readonly messageId: string;
  readonly channelId: string;
  readonly answers: readonly Message[];
}

/** What a soak came to; `faulty` names the messages behind the numbers. */
export interface Verdict {
  readonly sent: number;
  readonly answered: number;
  readonly lost: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  readonly extraIdentifies: number;
  readonly faulty: readonly string[];
}

/** What was asked in each channel, with its answers: messages of ours that reply to it and are still there. */
export function readAnswers({ world }: DiscordSimulator, channelIds: readonly string[]): readonly Asked[] {
  return channelIds.flatMap((channelId) => {
    const messages = world.messages(channelId);
    const answers = new Map<string, Message[]>();
    for (const message of messages) {
      if (!message.byBot || message.replyTo === null) continue;
      answers.set(message.replyTo, [...(answers.get(message.replyTo) ?? []), message]);
    }
    return messages
      .filter(({ byBot }) => !byBot)
      .map(({ id }) => ({ messageId: id, channelId, answers: answers.get(id) ?? [] }));
  });
}

/** Judges what people have seen. */
export function judge(asked: readonly Asked[], shards: number, identifies: number): Verdict {
  const lost = asked.filter(({ answers }) => answers.length === 0);
  const doubled = asked.filter(({ answers }) => answers.length > 1);
  const late = findOutOfOrder(asked);
  return {
    sent: asked.length,
    answered: asked.length - lost.length - doubled.length,
    lost: lost.length,
    doubled: doubled.length,
    outOfOrder: late.length,
    extraIdentifies: identifies - shards,
    faulty: [...new Set([...lost, ...doubled].map(({ messageId }) => messageId)), ...late],
  };
}

/** Messages whose answer stands behind the answer to one that was asked later in the same conversation. */
function findOutOfOrder(asked: readonly Asked[]): readonly string[] {
  const late: string[] = [];
  for (const inOne of Map.groupBy(asked, ({ channelId }) => channelId).values()) {
    const answers = inOne.flatMap(({ messageId, answers: all }) =>
      all.slice(0, 1).map(({ id }) => ({ to: BigInt(messageId), at: BigInt(id) })),
    );
    let newest = 0n;
    for (const { to } of answers.toSorted((a, b) => (a.at < b.at ? -1 : 1))) {
      if (to < newest) late.push(String(to));
      else newest = to;
    }
  }
  return late;
}

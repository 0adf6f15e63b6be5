import type { DiscordSimulator } from "../simulators/discord/simulator.ts";
import type { Message } from "../simulators/discord/world/message.ts";

/** One message that was said in a soak, and the bot's visible answers to it. */
export interface Asked {
  readonly messageId: string;
  readonly channelId: string;
  readonly text: string;
  readonly answers: readonly Pick<Message, "id" | "authorId" | "content">[];
}

/** What is visible in the channels of a soak. */
export interface Seen {
  readonly asked: readonly Asked[];
  /** Messages of ours that answer nothing that was said. */
  readonly strays: readonly string[];
}

/** True when this is the answer to that, and nothing else: no apology, no notice of a wait, no draft that somebody left half-written. */
export type IsRight = (text: string, answer: string) => boolean;

/** True when the answer ends with the number of the question that the text ends with. */
export const holdsItsQuestion: IsRight = (text, answer) => {
  const [question] = / question \d+$/.exec(text) ?? [];
  return question !== undefined && answer.endsWith(question);
};

/** What a soak came to; `faulty` names the messages behind the numbers. */
export interface Verdict {
  readonly sent: number;
  /** Once, and rightly. */
  readonly answered: number;
  readonly lost: number;
  readonly doubled: number;
  /** Messages of ours that are not the answer to what they reply to, or that reply to nothing. */
  readonly wrong: number;
  readonly outOfOrder: number;
  readonly extraIdentifies: number;
  readonly faulty: readonly string[];
}

/** What was asked in each channel, with its answers: messages of ours that reply to it and are still there. */
export function readAnswers({ world }: DiscordSimulator, channelIds: readonly string[]): Seen {
  const asked: Asked[] = [];
  const strays: string[] = [];
  for (const channelId of channelIds) {
    const messages = world.messages(channelId);
    const answers = new Map<string, Message[]>(messages.filter(({ byBot }) => !byBot).map(({ id }) => [id, []]));
    for (const message of messages) {
      if (!message.byBot) continue;
      const others = answers.get(message.replyTo ?? "");
      if (others === undefined) strays.push(message.id);
      else others.push(message);
    }
    for (const { id, byBot, content } of messages)
      if (!byBot) asked.push({ messageId: id, channelId, text: content, answers: answers.get(id) ?? [] });
  }
  return { asked, strays };
}

/** How many were answered rightly. */
export function countRight({ asked }: Seen, isRight: IsRight): number {
  return asked.filter(({ text, answers }) => answers.some(({ content }) => isRight(text, content))).length;
}

/** Judges what people have seen. */
export function judge({ asked, strays }: Seen, isRight: IsRight, shards: number, identifies: number): Verdict {
  const lost = asked.filter(({ answers }) => answers.length === 0);
  const doubled = asked.filter(({ answers }) => answers.length > 1);
  const isWrong = ({ text, answers }: Asked) => answers.some(({ content }) => !isRight(text, content));
  const wrong = asked.filter(isWrong);
  const late = findOutOfOrder(asked);
  // What is wrong may be why all behind it is lost.
  const faulty = [...wrong, ...doubled, ...lost].map(({ messageId }) => messageId);
  return {
    sent: asked.length,
    answered: asked.filter((one) => one.answers.length === 1 && !isWrong(one)).length,
    lost: lost.length,
    doubled: doubled.length,
    wrong: wrong.length + strays.length,
    outOfOrder: late.length,
    extraIdentifies: identifies - shards,
    faulty: [...new Set([...faulty, ...strays, ...late])],
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

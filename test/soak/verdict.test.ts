import { expect, test } from "vitest";
import { startDiscordSimulator } from "../simulators/discord/simulator.ts";
import { makeStage } from "./stage.ts";
import { countRight, holdsItsQuestion, judge, readAnswers, type Asked, type Seen } from "./verdict.ts";

const textOf = (number: number) => `<@1> Teo, soak 9 question ${number}`;
const answerTo = (number: number) => `Simulated reply to: soak 9 question ${number}`;

/** What was said as the messages 10, 20, 30 of one channel, with the answers that each got: their ids and what they say. */
function see(...all: readonly (readonly [id: number, content: string])[][]): Seen {
  const asked = all.map((answers, i): Asked => ({
    messageId: String((i + 1) * 10),
    channelId: "1",
    text: textOf(i + 1),
    answers: answers.map(([id, content]) => ({ id: String(id), authorId: "2", content })),
  }));
  return { asked, strays: [] };
}

const judged = (seen: Seen, identifies = 1) => judge(seen, holdsItsQuestion, 1, identifies);
const good = { lost: 0, doubled: 0, wrong: 0, outOfOrder: 0, extraIdentifies: 0, faulty: [] };

test("all that was answered once, rightly and in order is good", () => {
  const seen = see([[11, answerTo(1)]], [[21, answerTo(2)]], [[31, `**Mira:** ${answerTo(3)}`]]);
  expect(judged(seen)).toEqual({ sent: 3, answered: 3, ...good });
});

test("a message without an answer is lost", () => {
  const seen = see([[11, answerTo(1)]], []);
  expect(judged(seen)).toEqual({ sent: 2, answered: 1, ...good, lost: 1, faulty: ["20"] });
});

test("a message with two answers is answered doubly", () => {
  const seen = see([
    [11, answerTo(1)],
    [12, answerTo(1)],
  ]);
  expect(judged(seen)).toEqual({ sent: 1, answered: 0, ...good, doubled: 1, faulty: ["10"] });
});

test("an answer behind the answer to a later message of its conversation is out of order", () => {
  const seen = see([[32, answerTo(1)]], [[31, answerTo(2)]], [[33, answerTo(3)]]);
  expect(judged(seen)).toEqual({ sent: 3, answered: 3, ...good, outOfOrder: 1, faulty: ["10"] });
  const apart = { ...seen, asked: seen.asked.map((one, i) => ({ ...one, channelId: String(i) })) };
  expect(judged(apart)).toMatchObject(good);
});

test("a second session that nobody asked for is counted", () => {
  expect(judged(see([[11, answerTo(1)]]), 2)).toMatchObject({ ...good, extraIdentifies: 1 });
});

test.each([
  ["an apology", "I am sorry, something went wrong inside me. Please try again later (reference ABC1)."],
  ["a notice of a wait that was left over", "I can answer in about 12 s (3 before you)."],
  ["a draft that was left half-written", `${answerTo(1)} …`],
  ["a draft that ends within the number", answerTo(1).slice(0, -1)],
  ["the answer to another question", answerTo(2)],
  ["the answer to a question whose number begins alike", answerTo(12)],
])("%s is wrong", (_, content) => {
  const seen = see([[11, content]]);
  expect(judged(seen)).toEqual({ sent: 1, answered: 0, ...good, wrong: 1, faulty: ["10"] });
  expect(countRight(seen, holdsItsQuestion)).toBe(0);
});

test("what the bot says in reply to nothing is wrong, and what was taken back is not seen", async () => {
  const simulator = await startDiscordSimulator();
  try {
    const { world } = simulator;
    const [where] = makeStage(simulator);
    const [author] = where?.people ?? [];
    if (where === undefined || author === undefined) throw new Error("the stage is empty");
    const { channel } = where;
    const asked = world.say({ channel, author, text: textOf(1) });
    const answer = world.say({ channel, author: world.reception, text: answerTo(1), replyTo: asked.id });
    const stray = world.say({ channel, author: world.reception, text: answerTo(1) });
    const seen = readAnswers(simulator, [channel.id]);
    expect(seen.asked.map(({ messageId, answers }) => [messageId, answers.map(({ id }) => id)])).toEqual([
      [asked.id, [answer.id]],
    ]);
    expect(judged(seen)).toEqual({ sent: 1, answered: 1, ...good, wrong: 1, faulty: [stray.id] });
  } finally {
    await simulator.close();
  }
});

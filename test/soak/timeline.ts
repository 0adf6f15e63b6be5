import type { DiscordSimulator } from "../simulators/discord/simulator.ts";
import { administer } from "../servers/postgres.ts";
import type { Violation } from "../simulators/gemini/quota.ts";
import type { Hand } from "./blows.ts";
import type { Crew } from "./crew.ts";

/** How long before a message and after its last event the lives of the processes are told. */
const marginMs = 3_000;

/** Everything that is known about one message, in the order of the time: what Discord saw, what the bots logged, who was killed; then its turn. */
export async function tellTimeline(
  messageId: string,
  { simulator, crew, url }: { simulator: DiscordSimulator; crew: Crew; url: string },
): Promise<object> {
  const events: { at: number; what: string }[] = [];
  const asked = simulator.world.message(messageId);
  events.push({ at: asked.createdAt, what: `said in ${asked.channelId}` });
  for (const answer of simulator.world.messages(asked.channelId, { deleted: true })) {
    if (answer.replyTo !== messageId) continue;
    events.push({ at: answer.createdAt, what: `answer ${answer.id}, nonce ${answer.nonce ?? "none"}` });
    for (const { at } of answer.edits) events.push({ at, what: `answer ${answer.id} edited` });
    if (answer.deletedAt !== null) events.push({ at: answer.deletedAt, what: `answer ${answer.id} deleted` });
  }
  for (const { bot, pid, line } of crew.logs()) {
    if (line["messageId"] !== messageId) continue;
    const { time, msg, messageId: _, ...more } = line;
    events.push({ at: Date.parse(String(time)), what: `bot ${bot} (${pid}): ${String(msg)} ${JSON.stringify(more)}` });
  }
  const times = events.map(({ at }) => at);
  const [from, to] = [Math.min(...times) - marginMs, Math.max(...times) + marginMs];
  for (const { at, bot, what } of crew.moments)
    if (at >= from && at <= to) events.push({ at, what: `bot ${bot}: ${what}` });
  const turns = await administer(
    url,
    `select state, attempts, faults, error, not_before, speaking_at, finished_at from turns where message_id = ${messageId}`,
  );
  return {
    messageId,
    turn: turns[0] ?? null,
    timeline: events.toSorted((a, b) => a.at - b.at).map(({ at, what }) => `${new Date(at).toISOString()} ${what}`),
  };
}

/** For so long a call counts, and what befell the counters may show. */
const countsForMs = 61_000;

/**
 * What is known about a broken limit: how many calls the processes were granted while they counted (no more than the limit: some arrived late; more: the counters had
 * forgotten some), and who was struck meanwhile.
 */
export function tellViolation(
  violation: Violation,
  { crew, hand }: { crew: Pick<Crew, "logs" | "moments">; hand: Pick<Hand, "toServers"> },
): object {
  const at = Date.parse(violation.at);
  const isNear = (time: number) => time > at - countsForMs - marginMs && time <= at;
  const events = [
    ...crew.moments.map((one) => ({ at: one.at, what: `bot ${one.bot}: ${one.what}` })),
    ...hand.toServers.map((one) => ({ at: one.at, what: one.kind })),
    ...crew
      .logs()
      .filter(({ line }) => line["component"] === "limits")
      .map(({ bot, line }) => ({ at: Date.parse(String(line["time"])), what: `bot ${bot}: ${String(line["msg"])}` })),
  ];
  const granted = crew
    .logs()
    .filter(({ line }) => line["msg"] === "a call of the model may go" && line["bucket"] === violation.model)
    .filter(
      ({ line }) => Date.parse(String(line["time"])) > at - countsForMs && Date.parse(String(line["time"])) <= at,
    );
  return {
    violation,
    granted: granted.length,
    timeline: events
      .filter((one) => isNear(one.at))
      .toSorted((a, b) => a.at - b.at)
      .map((one) => `${new Date(one.at).toISOString()} ${one.what}`),
  };
}

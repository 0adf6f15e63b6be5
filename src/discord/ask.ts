import { SnowflakeUtil } from "discord.js";
import type { Desk, ModerationDesk } from "../chat/desk.ts";
import type { Envelope } from "../envelope.ts";
import type { Asking } from "./interaction.ts";
import { phrase } from "./phrases.ts";
import { homeOf, type Where } from "./places.ts";

/** Why a question is not taken, in a sentence; or the question, as a message like any other. */
export type Question =
  | { readonly kind: "refused"; readonly text: string }
  | { readonly kind: "taken"; readonly envelope: Envelope };

/** Reads `/ask`. The agent may be given by its name or by the name that people see. */
export async function readQuestion(
  asking: Asking,
  where: Where,
  { desk, maxMessageChars: limit }: { desk: Desk & ModerationDesk; maxMessageChars: number },
): Promise<Question> {
  const { locale, asker, options } = asking;
  const { text = "", agent: wanted = "" } = options;
  const home = homeOf(where);
  const { guildId, channelId: conversationId } = where;
  if (text.length > limit) return { kind: "refused", text: phrase(locale, "error.too-long", { limit }) };
  if (await desk.isSilent({ guildId, channelId: home.channelId, conversationId }))
    return { kind: "refused", text: phrase(locale, "silent.moderator") };
  const agent = desk.agents().find(({ name, displayName }) => [name, displayName].some((one) => isSame(one, wanted)));
  if (wanted !== "" && agent === undefined)
    return { kind: "refused", text: phrase(locale, "ask.unknown-agent", { agent: wanted.slice(0, 100) }) };
  const envelope: Envelope = {
    messageId: asking.id,
    guildId,
    guildName: where.guildName,
    ...home,
    audience: where.audience,
    conversationId,
    author: { id: asker.id, name: asker.name, kind: "person" },
    text: text.toWellFormed(),
    receivedAt: new Date(SnowflakeUtil.timestampFrom(asking.id)),
    addressed: true,
    addressedAgent: agent?.name ?? null,
    locale: where.locale ?? asking.language,
    repliedTo: null,
    attachments: [],
    interactionToken: `${asking.applicationId}/${asking.token}`,
  };
  return { kind: "taken", envelope };
}

/** What is offered to somebody who types the name of an agent; Discord takes 25. */
export function suggestAgents(desk: Desk, typed: string): readonly { name: string; value: string }[] {
  return desk
    .agents()
    .filter(({ name, displayName }) =>
      [name, displayName].some((one) => one.toLowerCase().includes(typed.toLowerCase())),
    )
    .slice(0, 25)
    .map(({ name, displayName }) => ({ name: displayName.slice(0, 100), value: name.slice(0, 100) }));
}

function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

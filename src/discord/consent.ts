import type { Forgotten, ModerationDesk, PrivacyDesk } from "../chat/desk.ts";
import type { Sql } from "../connections/postgres.ts";
import { buttonsToForget } from "./buttons.ts";
import { forMessage, type Deed } from "./information.ts";
import type { Asking } from "./interaction.ts";
import { linkToTurn } from "./link.ts";
import { permission } from "./permissions.ts";
import { phrase } from "./phrases.ts";
import type { Places } from "./places.ts";
import { permissionsOf } from "./reader.ts";
import type { Shown } from "./replies.ts";
import { answeredBy } from "./spoken.ts";

interface ConsentOptions {
  readonly desk: PrivacyDesk & ModerationDesk;
  readonly sql: Sql;
  readonly places: Places;
}

/** What people decide about what is kept of them. Nothing is forgotten before they have said yes. */
export function makeConsent(options: ConsentOptions): Readonly<Record<string, Deed>> {
  const { desk } = options;
  return {
    "forget me": (asking) => propose(options, asking, "me"),
    "forget this": forMessage(async (asking, named) => {
      const messageId =
        named === null
          ? await desk.lastOf(asking.asker.id, asking.channelId)
          : ((await answeredBy(options.sql, named)) ?? named);
      if (messageId === null) return { text: phrase(asking.locale, "forget.nothing") };
      const fate = await desk.fate({ kind: "message", messageId });
      return propose(options, asking, `this:${messageId}`, fate && (await linkToTurn(options.sql, fate)));
    }),
    "forget channel": (asking) => propose(options, asking, `channel:${asking.options["channel"] ?? asking.channelId}`),
    "privacy show": async ({ locale, asker }) => {
      const days = desk.retentionDays();
      const kept = days === null ? phrase(locale, "privacy.for-ever") : phrase(locale, "privacy.days", { days });
      const isRemembered = await desk.isRemembered(asker.id);
      const choice = phrase(locale, isRemembered ? "privacy.remembered" : "privacy.not-remembered");
      return { text: `${kept}\n\n${choice}` };
    },
    "privacy opt-out": async ({ locale, asker }) => {
      await desk.setRemembered(asker.id, false);
      return { text: phrase(locale, "privacy.opted-out") };
    },
    "privacy opt-in": async ({ locale, asker }) => {
      await desk.setRemembered(asker.id, true);
      return { text: phrase(locale, "privacy.opted-in") };
    },
  };
}

/** Forgets what the button that was pressed stands for, if whoever pressed it may; what they may is asked again, because it may have changed. */
export async function forgetFor(options: ConsentOptions, asking: Asking, what: string): Promise<Shown> {
  const { locale } = asking;
  const wish = await readWish(options, asking, what);
  if (wish === null) return { text: phrase(locale, "forget.not-allowed") };
  return { text: phrase(locale, "forget.done", { ...(await options.desk.forgetAll(wish)) }) };
}

/** `link`: where one can look at what is meant, if that is one message. */
async function propose(
  options: ConsentOptions,
  asking: Asking,
  what: string,
  link: string | null = null,
): Promise<Shown> {
  const { locale } = asking;
  const wish = await readWish(options, asking, what);
  if (wish === null) return { text: phrase(locale, "forget.not-allowed") };
  const concerned = await options.desk.concerned(wish);
  if (concerned.memories === 0 && concerned.turns === 0) return { text: phrase(locale, "forget.nothing") };
  const question = phrase(locale, "forget.question", { ...concerned });
  return { text: [link ?? [], question].flat().join("\n"), components: buttonsToForget(what, locale) };
}

/** Null: this is not theirs to have forgotten. What is not known counts as theirs, and turns out to be nothing. */
async function readWish({ desk, places }: ConsentOptions, asking: Asking, what: string): Promise<Forgotten | null> {
  const { asker, guildId } = asking;
  const [kind, id = ""] = what.split(":");
  if (kind === "me") return { kind: "person", personId: asker.id };
  if (kind === "this") {
    const fate = await desk.fate({ kind: "message", messageId: id });
    const isTheirs = fate === null || fate.authorId === asker.id;
    const isHere = fate !== null && fate.spot.guildId !== null && fate.spot.guildId === guildId;
    const mayModerate = isHere && (await looksAfter(asking, places, fate.spot.conversationId));
    return isTheirs || mayModerate ? { kind: "messages", messageIds: [id] } : null;
  }
  if (guildId === null || !(await looksAfter(asking, places, id))) return null;
  return { kind: "channel", guildId, channelId: id };
}

/** Whether they may delete what others write in a channel, or the channel itself. */
async function looksAfter(asking: Asking, places: Places, channelId: string): Promise<boolean> {
  const bits = await permissionsOf(asking, places, channelId);
  return (bits & (permission.manageMessages | permission.manageChannels)) !== 0n;
}

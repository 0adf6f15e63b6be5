import { asError } from "../errors.ts";
import type { Envelope } from "../envelope.ts";
import type { Logger } from "../log.ts";
import { flat } from "./clean.ts";
import { localeOf, phrase, type Locale } from "./phrases.ts";
import { makeReplies } from "./replies.ts";
import type { DiscordRest } from "./rest.ts";

const judgements = ["own-message", "bot", "empty", "channel", "not-addressed"] as const;

/** Why a message is not answered, for whoever asks; what a judge said is stored in English. */
export function whyIgnored(locale: Locale, reason: string | null): string {
  if (reason?.includes("moderator") === true) return phrase(locale, "silent.moderator");
  const judge = judgements.find((name) => phrase("en", `judged.${name}`) === reason);
  const said = judge === undefined ? flat(reason ?? "-", 300) : phrase(locale, `judged.${judge}`);
  return phrase(locale, "silent.judge", { reason: said });
}

/** Whoever used `/ask` looks at a promise: when nobody keeps it, it is taken back, and they alone are told why. Rejects never. */
export async function breakPromise(
  { messageId: id, interactionToken, locale }: Envelope,
  reason: string,
  { rest, log }: { readonly rest: DiscordRest; readonly log: Logger },
): Promise<void> {
  const [applicationId, token] = interactionToken?.split("/") ?? [];
  if (applicationId === undefined || token === undefined) return;
  const asking = { id, applicationId, token };
  const replies = makeReplies(rest, log);
  const patience = AbortSignal.timeout(20_000);
  try {
    await replies.withdraw(asking, patience);
    await replies.whisper(asking, { text: whyIgnored(localeOf(locale), reason) }, patience);
  } catch (error) {
    log.warn({ component: "discord", reason: asError(error).message }, "nobody could be told that a command failed");
  }
}

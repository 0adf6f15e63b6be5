import type { Snowflake } from "../envelope.ts";
import { phrase, type Locale } from "./phrases.ts";

const row = 1;
const button = 2;
const styles = { secondary: 2, danger: 4 } as const;

/** What a button of ours means; its `custom_id` is the deed and what it is done to. */
export interface Press {
  readonly deed: "up" | "down" | "why" | "forget" | "keep";
  readonly rest: string;
}

const deeds = ["up", "down", "why", "forget", "keep"] as const satisfies readonly Press["deed"][];

/** Null for a button that is none of ours, such as one of an older version. */
export function readPress(customId: string): Press | null {
  const [word, ...rest] = customId.split(":");
  const deed = deeds.find((one) => one === word);
  return deed === undefined ? null : { deed, rest: rest.join(":") };
}

/** What stands under an answer to the message of this id. */
export function buttonsUnderAnswer(messageId: Snowflake, locale: Locale): readonly unknown[] {
  const emoji = (deed: Press["deed"], name: string) => ({
    type: button,
    style: styles.secondary,
    emoji: { id: null, name },
    custom_id: `${deed}:${messageId}`,
  });
  const why = {
    type: button,
    style: styles.secondary,
    label: phrase(locale, "why.button"),
    custom_id: `why:${messageId}`,
  };
  return [{ type: row, components: [emoji("up", "👍"), emoji("down", "👎"), why] }];
}

/** The question before something is forgotten; `what` comes back with the press. */
export function buttonsToForget(what: string, locale: Locale): readonly unknown[] {
  const yes = { type: button, style: styles.danger, label: phrase(locale, "forget.yes"), custom_id: `forget:${what}` };
  const no = { type: button, style: styles.secondary, label: phrase(locale, "forget.no"), custom_id: "keep:" };
  return [{ type: row, components: [yes, no] }];
}

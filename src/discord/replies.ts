import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { DiscordRefused } from "./failures.ts";
import type { Asking } from "./interaction.ts";
import type { DiscordRest } from "./rest.ts";

/** What is shown in answer to a command or a button. */
export interface Shown {
  readonly text: string;
  /** Rows of buttons, in Discord's form. */
  readonly components?: readonly unknown[];
}

type Key = Pick<Asking, "id" | "applicationId" | "token">;

/** The ways to answer an interaction. */
export interface Replies {
  /**
   * The first response: the person sees that the bot is at it. Resolves to false when it came too late or not at all; rejects never.
   */
  defer(asking: Key, how: "public" | "private" | "unseen", signal: AbortSignal): Promise<boolean>;
  /** The first response, for the person's eyes only, and nothing follows; like `defer` otherwise. */
  refuse(asking: Key, text: string, signal: AbortSignal): Promise<boolean>;
  /** The first response to somebody who is typing an option. */
  suggest(asking: Key, choices: readonly { name: string; value: string }[], signal: AbortSignal): Promise<boolean>;
  /** Fills the deferred response, or changes it; of a button that was deferred unseen: the message that it is on. */
  fill(asking: Key, shown: Shown, signal: AbortSignal): Promise<void>;
  /** Says something more, for the person's eyes only. */
  whisper(asking: Key, shown: Shown, signal: AbortSignal): Promise<void>;
  /** Takes the deferred response back. */
  withdraw(asking: Key, signal: AbortSignal): Promise<void>;
}

const callbacks = { message: 4, deferred: 5, deferredUpdate: 6, suggestions: 8 } as const;
const ephemeral = 64;
const acknowledgedAlready = 40_060;
/** Discord's limit for a message. */
const mostChars = 2_000;

/** Answers through Discord's REST API. What Discord refuses because its time is over is logged and dropped: nobody waits for it any more. */
export function makeReplies(rest: DiscordRest, log: Logger): Replies {
  const first = async ({ id, token }: Key, body: object, signal: AbortSignal): Promise<boolean> => {
    try {
      const path = `/interactions/${id}/${token}/callback` as const;
      await rest.call({ method: "POST", path, body, auth: false, repeatable: true }, signal);
      return true;
    } catch (error) {
      if (error instanceof DiscordRefused && error.reason === acknowledgedAlready) return true;
      log.warn(
        { component: "discord", interaction: id, reason: asError(error).message },
        "a command was heard too late",
      );
      return false;
    }
  };
  const later = async (asking: Key, request: Later, signal: AbortSignal): Promise<void> => {
    const path = `/webhooks/${asking.applicationId}/${asking.token}${request.path}` as const;
    try {
      await rest.call({ ...request, path, auth: false, repeatable: request.method !== "POST" }, signal);
    } catch (error) {
      if (!(error instanceof DiscordRefused)) throw error;
      log.warn(
        { component: "discord", interaction: asking.id, reason: error.message },
        "a command's answer was refused",
      );
    }
  };
  return {
    defer: (asking, how, signal) => {
      if (how === "unseen") return first(asking, { type: callbacks.deferredUpdate }, signal);
      return first(asking, { type: callbacks.deferred, data: how === "private" ? { flags: ephemeral } : {} }, signal);
    },
    refuse: (asking, text, signal) =>
      first(asking, { type: callbacks.message, data: { ...bodyOf({ text }), flags: ephemeral } }, signal),
    suggest: (asking, choices, signal) => first(asking, { type: callbacks.suggestions, data: { choices } }, signal),
    fill: (asking, shown, signal) =>
      later(asking, { method: "PATCH", path: "/messages/@original", body: bodyOf(shown) }, signal),
    whisper: (asking, shown, signal) =>
      later(asking, { method: "POST", path: "", body: { ...bodyOf(shown), flags: ephemeral } }, signal),
    withdraw: (asking, signal) => later(asking, { method: "DELETE", path: "/messages/@original" }, signal),
  };
}

interface Later {
  readonly method: "PATCH" | "POST" | "DELETE";
  readonly path: "" | "/messages/@original";
  readonly body?: object;
}

/** Nothing in it pings anybody. */
function bodyOf({ text, components = [] }: Shown): object {
  const content = text.length <= mostChars ? text : `${text.slice(0, mostChars - 1).toWellFormed()}…`;
  return { content, components, allowed_mentions: { parse: [] } };
}

import { ForeseenError } from "../errors.ts";

/** Discord refuses, and will again: 10003 unknown channel, 50013 missing permission … */
export class DiscordRefused extends ForeseenError {
  override readonly name = "DiscordRefused";
  /** Discord's own number of the error; 0 when it gave none. */
  readonly reason: number;

  constructor(reason: number, message: string) {
    super("discord_refused", message, { kind: "bury" });
    this.reason = reason;
  }
}

/** Discord did not do its part, and may the next time. */
export function discordUnavailable(problem: string): ForeseenError {
  return new ForeseenError("discord_unavailable", `Discord did not answer (${problem})`, {
    kind: "retry",
    afterMs: 2_000,
  });
}

/** Whether Discord does not accept the token, which only a new one changes. */
export function isUnauthorized(error: unknown): error is ForeseenError {
  return error instanceof ForeseenError && error.code === "discord_unauthorized";
}

/** Whether an error speaks against Discord's health: what `discord_api` counts. Limits and refusals do not. */
export function isDiscordFailure(error: unknown): boolean {
  return error instanceof ForeseenError && error.code === "discord_unavailable";
}

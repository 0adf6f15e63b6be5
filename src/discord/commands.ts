import { createHash } from "node:crypto";
import * as z from "zod";
import type { Sql } from "../connections/postgres.ts";
import type { Snowflake } from "../envelope.ts";
import { asError } from "../errors.ts";
import type { Check, Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import { makeRetry } from "../resilience/policies.ts";
import { permission } from "./permissions.ts";
import { phrases, type PhraseKey } from "./phrases.ts";
import type { DiscordRest } from "./rest.ts";

/** An option of a command, by what people fill it with. */
interface OptionPlan {
  readonly name: string;
  readonly takes: "text" | "number" | "channel" | "yes-or-no";
  readonly required?: true;
  readonly autocomplete?: true;
}

interface CommandPlan {
  readonly options?: readonly OptionPlan[];
  readonly subcommands?: Readonly<Record<string, readonly OptionPlan[]>>;
  /** Not in direct conversations. */
  readonly serverOnly?: true;
  /** Who sees it, unless a server says otherwise; left out, everyone. */
  readonly needs?: bigint;
}

const channel: OptionPlan = { name: "channel", takes: "channel" };
const message: OptionPlan = { name: "message", takes: "text" };
const server: OptionPlan = { name: "server", takes: "yes-or-no" };

/** Every command there is; what people read of it stands in phrases.ts, under its path. */
const plans: Readonly<Record<string, CommandPlan>> = {
  ask: {
    options: [
      { name: "text", takes: "text", required: true },
      { name: "agent", takes: "text", autocomplete: true },
    ],
  },
  agents: {},
  why: { options: [message] },
  memory: { subcommands: { show: [], search: [{ name: "words", takes: "text", required: true }] } },
  forget: { subcommands: { me: [], this: [message], channel: [channel] } },
  privacy: { subcommands: { show: [], "opt-out": [], "opt-in": [] } },
  status: {},
  bot: {
    serverOnly: true,
    needs: permission.manageGuild,
    subcommands: {
      silence: [channel, { name: "minutes", takes: "number" }, server],
      resume: [channel, server],
      "why-silent": [message],
    },
  },
};

/** The name of the entry in a message's menu; Discord sends it back as it is here, whatever the reader's language. */
export const whyMenu = phrases.en["menu.why"];

const optionTypes = { text: 3, number: 4, "yes-or-no": 5, channel: 7 } as const;
/** Text, announcement and voice channels, and threads of all kinds. */
const channelTypes = [0, 2, 5, 10, 11, 12, 13];
const contexts = { server: 0, direct: 1 } as const;
const slash = 1;
const inMenu = 3;

/** What is registered with Discord. */
function commandDefinitions(): readonly object[] {
  const commands = Object.entries(plans).map(([name, plan]) => ({
    type: slash,
    name,
    ...described(`command.${name}`),
    options: [
      ...(plan.options ?? []).map((one) => optionOf(name, one)),
      ...Object.entries(plan.subcommands ?? {}).map(([sub, options]) => ({
        type: 1,
        name: sub,
        ...described(`command.${name}.${sub}`),
        options: options.map((one) => optionOf(`${name}.${sub}`, one)),
      })),
    ],
    ...usableIn(plan.serverOnly === true),
    default_member_permissions: plan.needs === undefined ? null : String(plan.needs),
  }));
  const menu = { type: inMenu, name: whyMenu, name_localizations: { ja: phrases.ja["menu.why"] }, ...usableIn(false) };
  return [...commands, menu];
}

function optionOf(path: string, { name, takes, required, autocomplete }: OptionPlan): object {
  return {
    type: optionTypes[takes],
    name,
    ...described(`option.${path}.${name}`),
    required: required === true,
    ...(autocomplete === true ? { autocomplete } : {}),
    ...(takes === "channel" ? { channel_types: channelTypes } : {}),
    ...(takes === "number" ? { min_value: 1, max_value: 525_600 } : {}),
  };
}

/** A command without its texts cannot be registered: that is a bug, and shows at the first start. */
function described(key: string): object {
  if (!Object.hasOwn(phrases.en, key)) throw new Error(`phrases.ts has no ${key}`);
  const known = key as PhraseKey;
  return { description: phrases.en[known], description_localizations: { ja: phrases.ja[known] } };
}

function usableIn(serverOnly: boolean): object {
  return { contexts: serverOnly ? [contexts.server] : [contexts.server, contexts.direct], integration_types: [0] };
}

const application = z.object({ id: z.string() });

/**
 * Registers the commands with Discord, all at once, and only when they are not what was registered last. It happens beside the start and is tried again
 * until it worked: without it the bot still hears and answers messages.
 */
export function makeCommands(options: { sql: Sql; rest: DiscordRest; bot: () => Snowflake; log: Logger }): Component {
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let problem: string | null = null;
  const again = makeRetry({ retries: 1_000, initialMs: 1_000, maxMs: 300_000, when: () => !stopping.signal.aborted });
  const tryOnce = async () => {
    try {
      await register(options, AbortSignal.any([stopping.signal, AbortSignal.timeout(60_000)]));
      problem = null;
    } catch (error) {
      const reason = asError(error).message;
      if (reason !== problem && !stopping.signal.aborted)
        options.log.warn({ component: "commands", reason }, "the commands could not be registered yet");
      problem = reason;
      throw error;
    }
  };
  return {
    name: "commands",
    start: async () => {
      running = again(tryOnce, stopping.signal).catch(() => {});
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
    check: async (): Promise<Check> =>
      problem === null
        ? { status: "healthy", details: {} }
        : { status: "degraded", details: { reason: `the commands are not registered: ${problem}` } },
  };
}

async function register(
  { sql, rest, bot, log }: { sql: Sql; rest: DiscordRest; bot: () => Snowflake; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const definitions = commandDefinitions();
  const hash = createHash("sha256").update(JSON.stringify(definitions)).digest("hex");
  const [known] = await sql.query<{ hash: string }>("select hash from registered_commands where bot_id = $1", [bot()]);
  if (known?.hash === hash) return;
  // Of old bots the application has another id than the user.
  const me = await rest.call<unknown>({ method: "GET", path: "/applications/@me", repeatable: true }, signal);
  const path = `/applications/${application.parse(me).id}/commands` as const;
  await rest.call({ method: "PUT", path, body: definitions, repeatable: true }, signal);
  await sql.query(
    `insert into registered_commands (bot_id, hash) values ($1, $2)
     on conflict (bot_id) do update set hash = excluded.hash, at = now()`,
    [bot(), hash],
  );
  log.info({ component: "commands", commands: definitions.length }, "the commands are registered");
}

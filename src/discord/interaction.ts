import * as z from "zod";
import type { Snowflake } from "../envelope.ts";
import { clean, flat } from "./clean.ts";
import { localeOf, type Locale } from "./phrases.ts";

/** A snowflake that fits Postgres's bigint. */
const id = z
  .string()
  .regex(/^\d{1,19}$/)
  .refine((text) => BigInt(text) < 2n ** 63n);
const user = z.object({ id, username: z.string(), global_name: z.string().nullish() });
const member = z.object({
  user: user.optional(),
  nick: z.string().nullish(),
  roles: z.array(id).optional(),
  permissions: z
    .string()
    .regex(/^\d{1,20}$/)
    .optional(),
});

/** An interaction as Discord's gateway sends it, as far as this program reads it. */
export const interaction = z.object({
  id,
  application_id: id,
  type: z.number(),
  token: z.string(),
  channel_id: id.optional(),
  guild_id: id.optional(),
  locale: z.string().optional(),
  member: member.optional(),
  user: user.optional(),
  message: z.object({ id }).optional(),
  data: z.record(z.string(), z.unknown()).optional(),
});

export type WireInteraction = z.infer<typeof interaction>;

/** What Discord calls the kinds of interactions. */
const kinds = { command: 2, button: 3, autocomplete: 4 } as const;

/** Who asks, and what they may do where they ask. */
interface Asker {
  readonly id: Snowflake;
  readonly name: string;
  readonly roles: readonly Snowflake[];
  /** In the channel they ask from; 0n in a direct conversation. */
  readonly permissions: bigint;
}

/** What somebody wants of the bot with a command, a menu or a button. */
export interface Asking {
  readonly id: Snowflake;
  readonly applicationId: Snowflake;
  readonly token: string;
  /** The path of a command, such as `memory search`; the name in a message's menu; the `custom_id` of a button. */
  readonly what: string;
  readonly kind: "command" | "button" | "autocomplete";
  readonly options: Readonly<Record<string, string>>;
  /** The message whose menu was opened, or that the button is on. */
  readonly target: Snowflake | null;
  /** Of an option that is being typed: what stands there so far. */
  readonly typed: string;
  readonly asker: Asker;
  readonly guildId: Snowflake | null;
  readonly channelId: Snowflake;
  /** As Discord names it. */
  readonly language: string | null;
  readonly locale: Locale;
}

interface Option {
  readonly name: string;
  readonly value?: string | number | boolean | undefined;
  readonly focused?: boolean | undefined;
  readonly options?: readonly Option[] | undefined;
}

const option: z.ZodType<Option> = z.lazy(() =>
  z.object({
    name: z.string(),
    value: z.union([z.string(), z.number(), z.boolean()]).optional(),
    focused: z.boolean().optional(),
    options: z.array(option).optional(),
  }),
);
const command = z.object({ name: z.string(), options: z.array(option).optional(), target_id: id.optional() });
const pressed = z.object({ custom_id: z.string() });

/** Reads what is wanted; null for a kind of interaction that this program never asked for, or one that names nobody. */
export function readAsking(wire: WireInteraction): Asking | null {
  const kind = (["command", "button", "autocomplete"] as const).find((one) => kinds[one] === wire.type);
  const who = wire.member?.user ?? wire.user;
  if (kind === undefined || who === undefined || wire.channel_id === undefined) return null;
  const said = kind === "button" ? readPressed(wire) : readCommand(wire.data);
  if (said === null) return null;
  const { nick, roles = [], permissions = "0" } = wire.member ?? {};
  const name = flat(nick ?? who.global_name ?? who.username) || "somebody";
  return {
    id: wire.id,
    applicationId: wire.application_id,
    token: wire.token,
    kind,
    ...said,
    asker: { id: who.id, name, roles, permissions: BigInt(permissions) },
    guildId: wire.guild_id ?? null,
    channelId: wire.channel_id,
    language: wire.locale ?? null,
    locale: localeOf(wire.locale ?? null),
  };
}

type Said = Pick<Asking, "what" | "options" | "target" | "typed">;

function readPressed({ data, message }: WireInteraction): Said | null {
  const read = pressed.safeParse(data);
  return read.success ? { what: read.data.custom_id, options: {}, target: message?.id ?? null, typed: "" } : null;
}

function readCommand(data: unknown): Said | null {
  const read = command.safeParse(data);
  if (!read.success) return null;
  const path = [read.data.name];
  let leaf: readonly Option[] = read.data.options ?? [];
  // A subcommand is the only option of its command, and has no value.
  for (let [first] = leaf; first !== undefined && first.value === undefined; [first] = leaf) {
    path.push(first.name);
    leaf = first.options ?? [];
  }
  const options = Object.fromEntries(leaf.map(({ name, value }) => [name, clean(String(value ?? "")).trim()]));
  const typed = String(leaf.find(({ focused }) => focused === true)?.value ?? "");
  return { what: path.join(" "), options, target: read.data.target_id ?? null, typed };
}

import type { Bot, Command, CommandOption, Guild, Ref } from "./records.ts";
import type { Fields, Message } from "./message.ts";
import { channelPayload, memberPayload, messagePayload, rolePayload, userPayload } from "./payloads.ts";
import { idOf, type State } from "./state.ts";

/** What a user does. Exactly one of `command`, `button` and `modal` is given. */
export interface Gesture {
  readonly user: Ref;
  readonly channel: Ref;
  /** The reception bot unless told otherwise. */
  readonly bot?: Ref;
  /** A registered command, with its subcommands: "ask", "memory forget", or the name in a message's menu. */
  readonly command?: string;
  readonly options?: Readonly<Record<string, string | number | boolean>>;
  /** The message or user whose menu was opened. */
  readonly target?: Ref;
  /** Type "autocomplete" instead of sending: the name of the option being typed. */
  readonly focused?: string;
  /** The custom_id of a button or a menu on `message`. */
  readonly button?: string;
  readonly values?: readonly string[];
  readonly message?: Ref;
  /** The custom_id of a form, and what was filled in. */
  readonly modal?: string;
  readonly fields?: Readonly<Record<string, string>>;
}

/** The type and data of the interaction; throws when the user could not have done this in Discord. */
export function dataOf(state: State, gesture: Gesture, bot: Bot, guild: Guild | null): { type: number; data: Fields } {
  if (gesture.button !== undefined) return pressed(state, gesture, gesture.button);
  if (gesture.modal !== undefined) {
    const components = Object.entries(gesture.fields ?? {}).map(([custom_id, value]) => ({
      type: 1,
      components: [{ type: 4, custom_id, value }],
    }));
    return { type: 5, data: { custom_id: gesture.modal, components } };
  }
  const [name = "", ...path] =
    gesture.target === undefined ? (gesture.command ?? "").split(" ") : [gesture.command ?? ""];
  const known = [...(bot.commands.get("global") ?? []), ...(guild === null ? [] : (bot.commands.get(guild.id) ?? []))];
  const command = known.find((one) => one.name === name);
  if (command === undefined) throw new Error(`${bot.name} has registered no command called ${name}`);
  const shared = { id: command.id, name, type: command.type, ...(guild === null ? {} : { guild_id: guild.id }) };
  if (gesture.target !== undefined)
    return { type: 2, data: { ...shared, ...targeted(state, command, gesture.target) } };
  const given = gesture.options ?? {};
  const { leaf, wrap } = descend(command, path);
  for (const option of leaf) {
    if (option.required === true && !(option.name in given) && gesture.focused === undefined)
      throw new Error(`/${gesture.command} needs ${option.name}`);
  }
  const values = Object.entries(given).map(([option, value]) => {
    const definition = leaf.find((one) => one.name === option);
    if (definition === undefined) throw new Error(`/${gesture.command} has no option ${option}`);
    return { name: option, type: definition.type, value, ...(gesture.focused === option ? { focused: true } : {}) };
  });
  const resolved = resolve(state, guild, values);
  const data = { ...shared, options: wrap(values), ...(Object.keys(resolved).length === 0 ? {} : { resolved }) };
  return { type: gesture.focused === undefined ? 2 : 4, data };
}

function descend(command: Command, path: readonly string[]) {
  let leaf: readonly CommandOption[] = command.options ?? [];
  const taken: CommandOption[] = [];
  for (const step of path) {
    const next = leaf.find((one) => one.name === step && one.type <= 2);
    if (next === undefined) throw new Error(`/${command.name} has no subcommand ${step}`);
    taken.push(next);
    leaf = next.options ?? [];
  }
  if (leaf.some((one) => one.type <= 2)) throw new Error(`/${command.name} needs a subcommand`);
  const wrap = (values: readonly Fields[]): readonly Fields[] =>
    taken.reduceRight((options, { name, type }) => [{ name, type, options }], values);
  return { leaf, wrap };
}

function resolve(state: State, guild: Guild | null, values: readonly { type: number; value: unknown }[]): Fields {
  const users: Record<string, object> = {};
  const members: Record<string, object> = {};
  const channels: Record<string, object> = {};
  const roles: Record<string, object> = {};
  for (const { type, value } of values) {
    const id = String(value);
    const member = guild?.members.get(id);
    const role = guild?.roles.get(id);
    if ((type === 6 || type === 9) && state.users.has(id)) users[id] = userPayload(state.user(id));
    if ((type === 6 || type === 9) && member !== undefined) members[id] = memberPayload(member);
    if ((type === 8 || type === 9) && role !== undefined) roles[id] = rolePayload(role);
    if (type === 7) channels[id] = { ...channelPayload(state, state.channel(id)), permissions: "0" };
  }
  const filled = Object.entries({ users, members, channels, roles }).filter(([, map]) => Object.keys(map).length > 0);
  return Object.fromEntries(filled);
}

function targeted(state: State, command: Command, target: Ref): Fields {
  const id = idOf(target);
  if (command.type === 2) return { target_id: id, resolved: { users: { [id]: userPayload(state.user(id)) } } };
  if (command.type !== 3) throw new Error(`${command.name} is in no menu`);
  return { target_id: id, resolved: { messages: { [id]: messagePayload(state, state.message(id)) } } };
}

function pressed(state: State, gesture: Gesture, custom_id: string): { type: number; data: Fields } {
  if (gesture.message === undefined) throw new Error("a button is pressed on a message: give `message`");
  const component = findComponent(state.message(gesture.message), custom_id);
  if (component === null) throw new Error(`the message has no component ${custom_id}`);
  if (component["disabled"] === true) throw new Error(`the component ${custom_id} is disabled`);
  const values = gesture.values === undefined ? {} : { values: gesture.values };
  return { type: 3, data: { custom_id, component_type: component["type"], ...values } };
}

function findComponent(message: Message, customId: string): Fields | null {
  const queue: unknown[] = [...message.components];
  for (const one of queue) {
    if (typeof one !== "object" || one === null) continue;
    const fields = one as Fields;
    if (fields["custom_id"] === customId) return fields;
    const { components, accessory } = fields as { components?: unknown; accessory?: unknown };
    if (Array.isArray(components)) queue.push(...(components as unknown[]));
    if (accessory !== undefined) queue.push(accessory);
  }
  return null;
}

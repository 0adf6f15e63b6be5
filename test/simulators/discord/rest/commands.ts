import type { Fields } from "../world/message.ts";
import type { Command, CommandOption } from "../world/records.ts";
import { guildAt } from "./access.ts";
import { ApiError, invalidForm, refusals, tooLong } from "./api-error.ts";
import type { Call, Reply, Route } from "./call.ts";

/** Application commands, of everywhere and of one guild. */
export const commandRoutes: readonly Route[] = [
  "/applications/:application",
  "/applications/:application/guilds/:guild",
].flatMap((owner): Route[] => [
  { method: "GET", path: `${owner}/commands`, answer: (call) => ({ body: registered(call) }) },
  { method: "PUT", path: `${owner}/commands`, answer: overwrite },
  {
    method: "POST",
    path: `${owner}/commands`,
    answer: (call) => {
      const others = registered(call).filter(
        ({ name, type }) => name !== call.body["name"] || type !== (call.body["type"] ?? 1),
      );
      const all = save(call, [...others, call.body]);
      return { status: 201, body: all.at(-1) };
    },
  },
  {
    method: "DELETE",
    path: `${owner}/commands/:command`,
    answer: (call) => {
      const rest = registered(call).filter(({ id }) => id !== call.at["command"]);
      if (rest.length === registered(call).length) throw refusals.unknownCommand();
      call.bot.commands.set(scopeOf(call), rest);
      return undefined;
    },
  },
]);

function overwrite(call: Call): Reply {
  if (!Array.isArray(call.body)) throw invalidForm("_errors", "LIST_TYPE_CONVERT", "Only iterables may be used.");
  return { body: save(call, call.body as readonly Fields[]) };
}

function scopeOf(call: Call): string {
  if (call.at["application"] !== call.bot.id)
    throw new ApiError(403, 20012, "You are not authorized to perform this action on this application");
  return call.at["guild"] === undefined ? "global" : guildAt(call).id;
}

function registered(call: Call): Command[] {
  return call.bot.commands.get(scopeOf(call)) ?? [];
}

/** Checks and keeps them; a command that keeps its name and type keeps its id. */
function save(call: Call, definitions: readonly Fields[]): Command[] {
  const known = registered(call);
  const seen = new Set<string>();
  for (const [type, max] of [
    [1, 100],
    [2, 15],
    [3, 15],
  ] as const) {
    if (definitions.filter((one) => (one["type"] ?? 1) === type).length > max)
      throw new ApiError(400, 30032, `Maximum number of application commands reached (${max}).`);
  }
  const commands = definitions.map((definition, index): Command => {
    const { name, type = 1 } = definition as { name: string; type?: number };
    checkCommand(definition, String(index));
    if (seen.has(`${type} ${name}`))
      throw invalidForm(`${index}`, "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique");
    seen.add(`${type} ${name}`);
    const before = known.find((one) => one.name === name && one.type === type);
    const id = before?.id ?? call.state.snowflakes.next();
    const scope = call.at["guild"] === undefined ? {} : { guild_id: call.at["guild"] };
    return { description: "", ...definition, ...scope, id, name, type, application_id: call.bot.id, version: id };
  });
  call.bot.commands.set(scopeOf(call), commands);
  return commands;
}

const slashName = /^[-_'\p{L}\p{N}]{1,32}$/u;
const locales = new Set(
  "id da de en-GB en-US es-ES es-419 fr hr it lt hu nl no pl pt-BR ro fi sv-SE vi tr cs el bg ru uk hi th zh-CN ja zh-TW ko".split(
    " ",
  ),
);

function checkCommand(definition: Fields, path: string): void {
  const { name, type = 1, description = "", options = [] } = definition as Partial<Command> & { description?: string };
  const inMenu = type !== 1;
  if (typeof name !== "string" || name.length < 1 || name.length > 32 || (!inMenu && !isSlashName(name)))
    throw invalidForm(`${path}.name`, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid");
  checkLocalized(definition["name_localizations"], `${path}.name_localizations`, 32, !inMenu);
  checkLocalized(definition["description_localizations"], `${path}.description_localizations`, 100, false);
  if (inMenu && (description !== "" || options.length > 0))
    throw invalidForm(
      `${path}.description`,
      "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION",
      "Context menu commands cannot have description or options",
    );
  if (!inMenu) checkDescription(description, path);
  checkOptions(options, path);
}

function checkOptions(options: readonly CommandOption[], path: string): void {
  if (options.length > 25) throw tooLong(`${path}.options`, 25);
  let optionalSeen = false;
  for (const [index, option] of options.entries()) {
    const place = `${path}.options.${index}`;
    const fields = option as CommandOption & Fields;
    if (!isSlashName(option.name))
      throw invalidForm(`${place}.name`, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid");
    checkDescription(fields["description"], place);
    checkLocalized(fields["name_localizations"], `${place}.name_localizations`, 32, true);
    checkLocalized(fields["description_localizations"], `${place}.description_localizations`, 100, false);
    if (option.required === true && optionalSeen)
      throw invalidForm(
        place,
        "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
        "Required options must be placed before non-required options",
      );
    optionalSeen ||= option.required !== true && option.type > 2;
    const { choices } = fields;
    if (Array.isArray(choices) && choices.length > 25) throw tooLong(`${place}.choices`, 25);
    checkOptions(option.options ?? [], place);
  }
}

function checkDescription(description: unknown, path: string): void {
  if (typeof description !== "string" || description.length < 1 || description.length > 100)
    throw invalidForm(`${path}.description`, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.");
}

function checkLocalized(texts: unknown, path: string, max: number, isName: boolean): void {
  for (const [locale, text] of Object.entries((texts ?? {}) as Readonly<Record<string, unknown>>)) {
    if (!locales.has(locale)) throw invalidForm(`${path}.${locale}`, "BASE_TYPE_CHOICES", "Unknown locale.");
    if (typeof text !== "string" || text.length < 1 || text.length > max || (isName && !isSlashName(text)))
      throw invalidForm(`${path}.${locale}`, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid");
  }
}

function isSlashName(name: string): boolean {
  return slashName.test(name) && name === name.toLowerCase();
}

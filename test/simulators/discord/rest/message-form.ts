import type { AllowedMentions, Fields } from "../world/message.ts";
import { invalidForm, refusals, tooLong } from "./api-error.ts";
import type { Call } from "./call.ts";

/** What a request says about a message, checked as Discord checks it. */
export interface MessageForm {
  /** Without the white space around it; null when it was left out. */
  readonly content: string | null;
  readonly embeds: readonly Fields[] | null;
  readonly components: readonly Fields[] | null;
  readonly allowedMentions: AllowedMentions | null;
  readonly flags: number;
}

export function readMessageForm(body: Fields): MessageForm {
  const { content = null, embeds = null, components = null, allowed_mentions: allowed = null, flags = 0 } = body;
  if (content !== null && typeof content !== "string")
    throw invalidForm("content", "STRING_TYPE_CONVERT", "Could not interpret as string.");
  if (content !== null && content.length > 2_000) throw tooLong("content", 2_000);
  if (embeds !== null) checkEmbeds(embeds);
  if (components !== null) checkComponents(components);
  if (allowed !== null) checkAllowedMentions(allowed);
  return {
    content: content?.trim() ?? null,
    embeds: embeds as readonly Fields[] | null,
    components: components as readonly Fields[] | null,
    allowedMentions: allowed as AllowedMentions | null,
    flags: typeof flags === "number" ? flags : 0,
  };
}

/** 50006 when there is nothing to see. */
export function checkNotEmpty(form: MessageForm, { body, files }: Pick<Call, "body" | "files">): void {
  const stickers = body["sticker_ids"];
  const nothing = (list: unknown) => !Array.isArray(list) || list.length === 0;
  if ((form.content ?? "") !== "" || files.length > 0) return;
  if (nothing(form.embeds) && nothing(form.components) && nothing(stickers)) throw refusals.emptyMessage();
}

/** At most 25 characters; null when it was left out. */
export function readNonce(body: Fields): string | null {
  const { nonce = null } = body;
  if (nonce === null) return null;
  if (typeof nonce !== "string" && typeof nonce !== "number")
    throw invalidForm("nonce", "NONCE_TYPE_INVALID", "Nonce must be a string or an integer.");
  if (String(nonce).length > 25) throw tooLong("nonce", 25);
  return String(nonce);
}

function checkEmbeds(embeds: unknown): void {
  if (!Array.isArray(embeds)) throw invalidForm("embeds", "LIST_TYPE_CONVERT", "Only iterables may be used.");
  if (embeds.length > 10) throw tooLong("embeds", 10);
  let total = 0;
  for (const [index, embed] of (embeds as readonly Fields[]).entries()) {
    const limits = { title: 256, description: 4_096 } as const;
    for (const [field, max] of Object.entries(limits)) {
      const text = embed[field];
      if (typeof text !== "string") continue;
      if (text.length > max) throw tooLong(`embeds.${index}.${field}`, max);
      total += text.length;
    }
  }
  if (total > 6_000) throw invalidForm("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000");
}

function checkComponents(components: unknown): void {
  if (!Array.isArray(components)) throw invalidForm("components", "LIST_TYPE_CONVERT", "Only iterables may be used.");
  if (components.length > 5) throw tooLong("components", 5);
  const seen = new Set<string>();
  for (const [index, row] of (components as readonly Fields[]).entries()) {
    const inner = row["components"];
    if (row["type"] !== 1 || !Array.isArray(inner)) continue;
    if (inner.length === 0 || inner.length > 5)
      throw invalidForm(`components.${index}.components`, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.");
    for (const [place, one] of (inner as readonly Fields[]).entries())
      checkComponent(one, `components.${index}.components.${place}`, seen);
  }
}

function checkComponent(component: Fields, path: string, seen: Set<string>): void {
  const { custom_id: id, label, url } = component;
  if (typeof label === "string" && label.length > 80) throw tooLong(`${path}.label`, 80);
  if (typeof id !== "string") {
    if (url === undefined) throw invalidForm(path, "BUTTON_COMPONENT_CUSTOM_ID_REQUIRED", "A custom id is required");
    return;
  }
  if (id.length > 100) throw tooLong(`${path}.custom_id`, 100);
  if (seen.has(id))
    throw invalidForm(
      `${path}.custom_id`,
      "COMPONENT_CUSTOM_ID_DUPLICATED",
      "Component custom id cannot be duplicated",
    );
  seen.add(id);
}

function checkAllowedMentions(allowed: unknown): void {
  if (typeof allowed !== "object")
    throw invalidForm("allowed_mentions", "DICT_TYPE_CONVERT", "Only dictionaries may be used.");
  const { parse = [], users = [], roles = [] } = allowed as AllowedMentions;
  for (const [index, kind] of parse.entries()) {
    if (!["everyone", "users", "roles"].includes(kind))
      throw invalidForm(
        `allowed_mentions.parse.${index}`,
        "BASE_TYPE_CHOICES",
        "Value must be one of ('users', 'roles', 'everyone').",
      );
  }
  for (const [kind, ids] of Object.entries({ users, roles })) {
    if (ids.length > 100) throw tooLong(`allowed_mentions.${kind}`, 100);
    if (ids.length > 0 && parse.includes(kind as "users" | "roles"))
      throw invalidForm(
        "allowed_mentions",
        "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
        `parse:["${kind}"] and ${kind}: [ids...] are mutually exclusive.`,
      );
  }
}

import { createHash } from "node:crypto";
import { snowflakeAt, type Envelope, type Snowflake } from "../envelope.ts";
import type { Place } from "../chat/desk.ts";
import { clean } from "./text.ts";

const maxNameChars = 32;

/** Where the person at the terminal sits, who they say they are, and the envelopes written from there. */
export interface Seat {
  readonly author: string;
  readonly channel: string;
  /** Both take a name as typed and return null, or the sentence that says why it cannot be one. */
  become(name: string): string | null;
  enter(channel: string): string | null;
  place(): Place;
  /** Null when nothing is left of the text once it is trimmed and control characters are gone. */
  envelope(text: string): Envelope | null;
}

/** Ids made from times in Discord's form, strictly increasing even when the clock stands still or goes back. */
export function makeSnowflakes(now: () => Date): () => Snowflake {
  let last = 0n;
  return () => {
    const made = BigInt(snowflakeAt(now().getTime()));
    last = made > last ? made : last + 1n;
    return last.toString();
  };
}

/** The same id for the same name on every machine and in every run, whatever its case: 62 bits of a hash, never 0. */
export function idOf(kind: "guild" | "channel" | "author", name: string): Snowflake {
  const digest = createHash("sha256")
    .update(`${kind}\n${name.normalize("NFC").toLowerCase()}`)
    .digest();
  return ((digest.readBigUInt64BE() >> 2n) | 1n).toString();
}

/** A seat in the terminal's one guild, at first as `author` in #general. */
export function makeSeat(options: { author: string; locale: string | null; now: () => Date }): Seat {
  let author = options.author;
  let channel = "general";
  const nextId = makeSnowflakes(options.now);
  const guildId = idOf("guild", "terminal");
  const place = (): Place => {
    const channelId = idOf("channel", channel);
    return { guildId, channelId, conversationId: channelId, authorId: idOf("author", author), alsoReadable: "public" };
  };
  return {
    get author() {
      return author;
    },
    get channel() {
      return channel;
    },
    become(name) {
      const wrong = faultOf(name);
      if (wrong === null) author = name.trim().normalize("NFC");
      return wrong;
    },
    enter(name) {
      const bare = name.trim().replace(/^#/u, "");
      const wrong = faultOf(bare);
      if (wrong === null) channel = bare.trim().normalize("NFC");
      return wrong;
    },
    place,
    envelope(raw) {
      const text = clean(raw).trim();
      if (text === "") return null;
      const { authorId, channelId, conversationId } = place();
      return {
        guildId,
        channelId,
        conversationId,
        messageId: nextId(),
        guildName: "terminal",
        channelName: channel,
        audience: "public",
        author: { id: authorId, name: author, kind: "person" },
        text,
        receivedAt: options.now(),
        addressed: true,
        addressedAgent: null,
        locale: options.locale,
      };
    },
  };
}

function faultOf(name: string): string | null {
  const bare = name.trim();
  if (bare === "") return "A name is missing.";
  if (bare.length > maxNameChars) return `A name has at most ${maxNameChars} characters.`;
  if (!bare.isWellFormed() || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(bare)) return "A name has no control characters.";
  return null;
}

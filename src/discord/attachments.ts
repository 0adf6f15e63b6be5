import type { Attached } from "../chat/chat.ts";
import type { Attachment } from "../envelope.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { clean } from "./clean.ts";

const mostFiles = 3;
const mostTextBytes = 64 * 1024;
const mostImageBytes = 4 * 1024 * 1024;
/** Characters of one file that reach a prompt. */
const mostChars = 8_000;
const patienceMs = 8_000;

const cdns = ["https://cdn.discordapp.com", "https://media.discordapp.net"];
const textTypes = /^(?:text\/|application\/(?:json|xml|yaml|x-yaml|toml|javascript|typescript|x-sh|sql)\b)/;
const textNames =
  /\.(?:txt|md|log|csv|json|ya?ml|toml|ini|env|xml|html|css|[cm]?[jt]sx?|py|rb|go|rs|java|kt|c|h|cpp|cs|sh|sql|diff|patch)$/i;

/** What every model that can see takes. */
const imageTypes = /^image\/(?:png|jpeg|webp|heic|heif)$/;

/** The text files and pictures among what came with a message, up to a limit. One that cannot be had is left out and logged: its name stands in the message. */
export async function readAttachments(
  attachments: readonly Attachment[],
  options: { readonly apiUrl: string; readonly log: Logger },
  signal: AbortSignal,
): Promise<readonly Attached[]> {
  // Whoever writes a message does not choose which addresses are fetched: only Discord's own are.
  const trusted = new Set([...cdns, new URL(options.apiUrl).origin]);
  const wanted = attachments
    .filter(({ url }) => URL.canParse(url) && trusted.has(new URL(url).origin))
    .slice(0, mostFiles);
  const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const read = await Promise.all(
    wanted.map((attachment) =>
      readOne(attachment, patience).catch((error: unknown) => {
        options.log.info({ component: "discord", reason: asError(error).name }, "a file could not be read");
        return null;
      }),
    ),
  );
  return read.filter((one) => one !== null);
}

async function readOne({ name, url, bytes, mediaType }: Attachment, signal: AbortSignal): Promise<Attached | null> {
  const type = mediaType?.split(";")[0]?.trim() ?? null;
  if (type !== null && imageTypes.test(type) && bytes <= mostImageBytes) {
    const base64 = (await fetchBytes(url, mostImageBytes, signal)).toString("base64");
    return base64 === "" ? null : { kind: "image", name, mediaType: type, base64 };
  }
  const isText = (type !== null && textTypes.test(type)) || textNames.test(name);
  if (!isText || bytes > mostTextBytes) return null;
  const text = clean((await fetchBytes(url, mostTextBytes, signal)).toString("utf8"))
    .slice(0, mostChars)
    .toWellFormed();
  return text === "" ? null : { kind: "text", name, text };
}

async function fetchBytes(url: string, most: number, signal: AbortSignal): Promise<Buffer> {
  const response = await fetch(url, { signal, redirect: "error" });
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > most) throw new Error("longer than it said");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

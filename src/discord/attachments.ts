import type { AttachedText } from "../chat/chat.ts";
import type { Attachment } from "../envelope.ts";
import { asError } from "../errors.ts";
import type { Logger } from "../log.ts";

const mostFiles = 3;
const mostBytes = 64 * 1024;
/** Characters of one file that reach a prompt. */
const mostChars = 8_000;
const patienceMs = 5_000;

const cdns = ["https://cdn.discordapp.com", "https://media.discordapp.net"];
const textTypes = /^(?:text\/|application\/(?:json|xml|yaml|x-yaml|toml|javascript|typescript|x-sh|sql)\b)/;
const textNames =
  /\.(?:txt|md|log|csv|json|ya?ml|toml|ini|env|xml|html|css|[cm]?[jt]sx?|py|rb|go|rs|java|kt|c|h|cpp|cs|sh|sql|diff|patch)$/i;

/** The text files among what came with a message, up to a limit. One that cannot be had is left out and logged: its name stands in the message. */
export async function readAttachments(
  attachments: readonly Attachment[],
  options: { readonly apiUrl: string; readonly log: Logger },
  signal: AbortSignal,
): Promise<readonly AttachedText[]> {
  // Whoever writes a message does not choose which addresses are fetched: only Discord's own are.
  const trusted = new Set([...cdns, new URL(options.apiUrl).origin]);
  const wanted = attachments
    .filter(
      (one) => isText(one) && one.bytes <= mostBytes && URL.canParse(one.url) && trusted.has(new URL(one.url).origin),
    )
    .slice(0, mostFiles);
  const texts = await Promise.all(
    wanted.map(async ({ name, url }) => {
      try {
        return { name, text: await fetchText(url, AbortSignal.any([signal, AbortSignal.timeout(patienceMs)])) };
      } catch (error) {
        options.log.info({ component: "discord", reason: asError(error).name }, "a file could not be read");
        return null;
      }
    }),
  );
  return texts.filter((one) => one !== null && one.text !== "").map((one) => one as AttachedText);
}

function isText({ name, mediaType }: Attachment): boolean {
  return mediaType === null ? textNames.test(name) : textTypes.test(mediaType) || textNames.test(name);
}

async function fetchText(url: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { signal, redirect: "error" });
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    text += decoder.decode(chunk, { stream: true });
    if (bytes > mostBytes || text.length > mostChars) break;
  }
  // eslint-disable-next-line no-control-regex
  return text
    .replaceAll(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g, "")
    .slice(0, mostChars)
    .toWellFormed();
}

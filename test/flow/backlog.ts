import { migrate } from "../../src/connections/migrate.ts";
import { openPglite } from "../../src/connections/pglite.ts";
import { templatePath } from "../../src/connections/template.ts";
import { makeInbox } from "../../src/inbox/inbox.ts";
import { makeLogger } from "../../src/log.ts";
import { makeSeat } from "../../src/terminal/place.ts";
import { byItself } from "../inbox/by-itself.ts";

/** One message that waits in the inbox of a product that is not running. */
export interface Waiting {
  readonly messageId: string;
  readonly channel: string;
  readonly text: string;
}

/**
 * Keeps messages in a data folder as a product that was killed would leave them, so that the next one finds several
 * conversations with something to answer: a pipe alone answers one channel before it hears the next.
 */
export async function keepBacklog(
  folder: string,
  messages: readonly { readonly channel: string; readonly text: string }[],
): Promise<readonly Waiting[]> {
  const database = await openPglite(folder, { template: await templatePath() });
  await migrate(database);
  const inbox = makeInbox({ ...byItself, database, alone: true, log: makeLogger("silent", process.stderr) });
  await inbox.start(AbortSignal.timeout(20_000), () => {});
  const seat = makeSeat({ author: "you", locale: null, now: () => new Date() });
  const kept: Waiting[] = [];
  for (const { channel, text } of messages) {
    seat.enter(channel);
    const envelope = seat.envelope(text);
    if (envelope === null) throw new Error(`nothing is left of "${text}"`);
    await inbox.keep(envelope, "mention");
    kept.push({ messageId: envelope.messageId, channel, text });
  }
  await inbox.stop(AbortSignal.timeout(5_000));
  await database.close();
  return kept;
}

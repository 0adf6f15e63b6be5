import type { MayRead } from "../chat/desk.ts";
import type { Asking } from "./interaction.ts";
import { permission, permissionsIn } from "./permissions.ts";
import type { Places } from "./places.ts";

const toRead = permission.viewChannel | permission.readMessageHistory;

/**
 * What somebody who uses a command may read: the very place they use it in, and on the same server whatever their roles let them see with its history.
 * What is not known is denied; a private thread elsewhere too, unless they look after threads, because nobody knows who was added to it.
 */
export function readerOf({ asker, guildId, channelId: here }: Asking, places: Places): MayRead {
  return async (spot) => {
    if (spot.guildId !== guildId) return false;
    if (spot.conversationId === here) return true;
    const place = guildId === null ? null : await places.of(guildId);
    if (place === null) return false;
    const known = place.guild.channels.get(spot.conversationId);
    // A public thread that is archived may be unknown; its channel decides about it anyway.
    const bits = permissionsIn(place.guild, known === undefined ? spot.channelId : spot.conversationId, asker);
    if ((bits & toRead) !== toRead) return false;
    return known?.kind !== "private-thread" || (bits & permission.manageThreads) !== 0n;
  };
}

/** What somebody may do in a channel of the server they ask from; 0n where that is not known. */
export async function permissionsOf({ asker, guildId, channelId: here }: Asking, places: Places, channelId: string) {
  if (channelId === here) return asker.permissions;
  const place = guildId === null ? null : await places.of(guildId);
  return place === null ? 0n : permissionsIn(place.guild, channelId, asker);
}

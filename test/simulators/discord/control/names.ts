import type { World } from "../world/world.ts";

/** Lets people and other programs write names where the world wants ids. */
export interface Names {
  /** "ann", or an id; also of a bot. */
  user(text: string): string;
  /** "general", "#general", "dm" (of this user with the reception bot), or an id. */
  channel(text: string, userId: string | null): string;
}

export function makeNames(world: World): Names {
  return {
    user: (text) => {
      const { users, bots } = world.everything();
      const found = [...users, ...bots].find(({ id, name }) => id === text || name === text);
      if (found === undefined) throw new Error(`there is nobody called ${text}`);
      return found.id;
    },
    channel: (text, userId) => {
      if (text === "dm" && userId !== null) return world.openDm(userId, world.reception).id;
      const name = text.replace(/^#/u, "");
      const found = world.everything().channels.find((channel) => channel.id === text || channel.name === name);
      if (found === undefined) throw new Error(`there is no channel called ${text}`);
      return found.id;
    },
  };
}

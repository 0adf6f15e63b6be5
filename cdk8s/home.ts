/** Where the project is published: its pages stand under it. */
export const home = "https://github.com/discord-agent/discord-agent";

/** Close codes after which no connection will ever work, and what to tell the operator. */
export const fatalCodes: Readonly<Record<number, string>> = {
  4004: "Discord does not accept DISCORD_TOKEN: it was reset or is not a bot's; set the current one from the developer portal",
  4010: "Discord refuses the shard: DISCORD_SHARDS does not fit",
  4011: "Discord demands more shards: set DISCORD_SHARDS to auto",
  4012: "Discord no longer speaks this version of its gateway: update the bot",
  4013: "Discord refuses the intents as invalid: update the bot",
  4014: "Discord refuses an intent: switch on the Message Content intent on the bot's page in the developer portal",
};

/** Close codes that end a session: sequence out of range, not authenticated. */
export const endsSession = new Set([4003, 4007]);

// A bot as a tutorial builds it, on discord.js's own Client: it keeps nothing, and asks the model about each message that mentions it.
import { GoogleGenerativeAI } from "@google/generative-ai";
import { Client, Events, GatewayIntentBits } from "discord.js";

const { DISCORD_TOKEN = "", DISCORD_API_URL = "", GEMINI_BASE_URL = "" } = process.env;
const { Guilds, GuildMessages, MessageContent, DirectMessages, GuildMessageReactions } = GatewayIntentBits;
const client = new Client({
  intents: [Guilds, GuildMessages, MessageContent, DirectMessages, GuildMessageReactions],
  rest: { api: DISCORD_API_URL },
});
const model = new GoogleGenerativeAI("x").getGenerativeModel(
  { model: "gemini-3.5-flash-lite" },
  { baseUrl: GEMINI_BASE_URL },
);

client.once(Events.ClientReady, () => process.stdout.write("ready\n"));
client.on(Events.MessageCreate, (message) => {
  const { user } = client;
  if (message.author.bot || user === null || !message.mentions.has(user)) return;
  const answer = async () => {
    const { response } = await model.generateContent(message.content);
    await message.reply(response.text());
  };
  answer().catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
});
process.once("SIGTERM", () => process.exit(0));
await client.login(DISCORD_TOKEN);

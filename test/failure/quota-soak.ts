import { talkUnderQuota } from "../flow/quota.ts";

// Minutes long, because the provider's window is: 50 messages in one conversation, and 50 in ten side by side.
const soak = { messages: 50, requestsPerMinute: 15 };
const reports = await Promise.all([
  talkUnderQuota({ ...soak, conversations: 1 }),
  talkUnderQuota({ ...soak, conversations: 10, env: { LANES: "10" } }),
]);
process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`);

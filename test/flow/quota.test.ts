import { expect, it } from "vitest";
import { talkUnderQuota } from "./quota.ts";

it("one message costs one generate call and no embedding call on its way, also when conversations run side by side", async () => {
  const report = await talkUnderQuota({ messages: 20, conversations: 5, requestsPerMinute: 1_000 });
  expect(report).toMatchObject({ exit: 0, answered: 20, generateCalls: 20, violations: 0 });
  expect(report.embedCalls.documents + report.embedCalls.queries).toBeLessThanOrEqual(1);
});

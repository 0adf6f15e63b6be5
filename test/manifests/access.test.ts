import { expect, it } from "vitest";
import { releaseOf } from "./release-of.ts";

it("the bot may do what its code asks the API server for, and nothing else", () => {
  expect(releaseOf({}).get("Role", "bot-discord-agent")["rules"]).toEqual([
    // settings/reflector.ts: pages of a list, and a watch.
    { apiGroups: ["discord-agent.dev"], resources: ["agents"], verbs: ["list", "watch"] },
    { apiGroups: [""], resources: ["configmaps"], verbs: ["list", "watch"] },
    // cluster/status-writer.ts: one server-side apply.
    { apiGroups: ["discord-agent.dev"], resources: ["agents/status"], verbs: ["patch"] },
    // cluster/events.ts: one POST to core/v1.
    { apiGroups: [""], resources: ["events"], verbs: ["create"] },
  ]);
});

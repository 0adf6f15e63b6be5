import type { KubernetesApi } from "../connections/kubernetes.ts";
import { asError } from "../errors.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import { postEvent } from "./events.ts";

const message =
  "DISCORD_TOKEN is not set: the bot hears nobody. Put the bot's token into the Secret that the pod mounts; it starts by itself then";

/** Stands where Discord would be while there is no token, and says so in the log, in `/health` and in an event of the pod. */
export function makeMissingToken(options: { api: () => KubernetesApi; pod: string; log: Logger }): Component {
  const { log, pod } = options;
  const reason = "MissingDiscordToken";
  return {
    name: "discord",
    start: async (signal) => {
      log.warn({ component: "discord" }, message);
      const subject = { apiVersion: "v1", kind: "Pod", name: pod };
      await postEvent(options.api(), subject, { type: "Warning", reason, message }, signal).catch((error: unknown) =>
        log.warn({ component: "discord", reason: asError(error).message }, "an event could not be written"),
      );
    },
    stop: async () => {},
    check: async () => ({ status: "degraded", details: { reason: message } }),
  };
}

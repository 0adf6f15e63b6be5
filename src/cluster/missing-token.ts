import type { KubernetesApi } from "../connections/kubernetes.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Logger } from "../log.ts";
import { makeUntold } from "./events.ts";

const againMs = 5_000;
const message =
  "DISCORD_TOKEN is not set: the bot hears nobody. Put the bot's token into the Secret that the pod mounts; it starts by itself then";

/** Stands where Discord would be while there is no token, and says so in the log, in `/health` and in an event of the pod. */
export function makeMissingToken(options: { api: () => KubernetesApi; pod: string; log: Logger }): Component {
  const { log, pod } = options;
  const untold = makeUntold(options);
  const closing = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const tell = async () => {
    if (await untold.tell(closing.signal)) timer = setTimeout(() => void tell(), againMs).unref();
  };
  return {
    name: "discord",
    start: async () => {
      log.warn({ component: "discord" }, message);
      untold.add({ apiVersion: "v1", kind: "Pod", name: pod }, [
        { type: "Warning", reason: "MissingDiscordToken", message },
      ]);
      void tell();
    },
    stop: async () => {
      closing.abort();
      clearTimeout(timer);
    },
    check: async () => ({ status: "degraded", details: { reason: message } }),
  };
}

import type { Component } from "../lifecycle/component.ts";
import { makeCounter, makeEar, makeVoicesOf, readableOnDiscord } from "./discord.ts";
import { makeFoundation, makeHttp, type RoleOptions } from "./foundation.ts";

/** Hears Discord for workers that answer: keeps messages, and answers commands and buttons itself, for which Discord allows three seconds. */
export function hearDiscord(options: RoleOptions): readonly Component[] {
  const foundation = makeFoundation(options, readableOnDiscord);
  const discord = makeVoicesOf(options, foundation);
  const http = makeHttp(options, foundation, { host: null, whenTaken: "fail" }, () => components);
  const { counter, commands } = makeCounter(options, foundation, discord, (signal) => http.status(signal));
  const gateway = makeEar(options, foundation, discord, counter);
  const { secrets, settings, connections, cluster, inbox } = foundation;
  const components: readonly Component[] = [
    http,
    ...secrets,
    settings,
    ...connections,
    ...cluster,
    inbox,
    discord.voices,
    commands,
    gateway,
  ];
  return components;
}

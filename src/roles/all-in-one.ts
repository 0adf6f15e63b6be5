import type { Component } from "../lifecycle/component.ts";
import { makeAnswering } from "./answering.ts";
import { makeCounter, makeEar, makeMouth, makeVoicesOf, readableOnDiscord } from "./discord.ts";
import { makeFoundation, makeHttp, type RoleOptions } from "./foundation.ts";

/** Everything in one process, on Discord. The gateway starts last and stops first: another process takes over while this one finishes. */
export function talkOnDiscord(options: RoleOptions): readonly Component[] {
  const foundation = makeFoundation(options, readableOnDiscord);
  const discord = makeVoicesOf(options, foundation);
  const speaker = makeMouth(options, foundation, discord);
  const consumer = makeAnswering(options, foundation, speaker);
  const http = makeHttp(options, foundation, { host: null, whenTaken: "fail" }, () => components);
  const { counter, commands } = makeCounter(options, foundation, discord, (signal) => http.status(signal));
  const gateway = makeEar(options, foundation, discord, counter);
  const { secrets, settings, connections, limits, cluster, inbox, retention, embedding } = foundation;
  const quiet = [http, ...secrets, settings, ...connections, ...limits, ...cluster, inbox, retention, embedding];
  const components: readonly Component[] = [...quiet, discord.voices, speaker, commands, consumer, gateway];
  return components;
}

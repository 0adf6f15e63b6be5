import type { Component } from "../lifecycle/component.ts";
import { makeAnswering } from "./answering.ts";
import { makeMouth, makeVoicesOf, readableOnDiscord } from "./discord.ts";
import { makeFoundation, makeHttp, type RoleOptions } from "./foundation.ts";

/** Answers what gateways have heard, and does what memory needs in the background. */
export function answerDiscord(options: RoleOptions): readonly Component[] {
  const foundation = makeFoundation(options, readableOnDiscord);
  const discord = makeVoicesOf(options, foundation);
  const speaker = makeMouth(options, foundation, discord);
  const consumer = makeAnswering(options, foundation, speaker);
  const http = makeHttp(options, foundation, { host: null, whenTaken: "fail" }, () => components);
  const { secrets, settings, connections, limits, cluster, inbox, retention, embedding } = foundation;
  const quiet = [http, ...secrets, settings, ...connections, ...limits, ...cluster, inbox, retention, embedding];
  const components: readonly Component[] = [...quiet, discord.voices, speaker, consumer];
  return components;
}

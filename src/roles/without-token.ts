import type { Component } from "../lifecycle/component.ts";
import { makeFoundation, makeHttp, type RoleOptions } from "./foundation.ts";

/** Everything but Discord, for a first look at an installation in a cluster whose token is still to come. */
export function waitForToken(options: RoleOptions): readonly Component[] {
  const foundation = makeFoundation(options, () => async () => []);
  const http = makeHttp(options, foundation, { host: null, whenTaken: "fail" }, () => components);
  const { secrets, settings, connections, cluster, inbox, missingToken } = foundation;
  const components: readonly Component[] = [
    http,
    ...secrets,
    settings,
    ...connections,
    ...cluster,
    inbox,
    ...missingToken,
  ];
  return components;
}

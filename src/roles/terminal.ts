import type { Envelope, Priority } from "../envelope.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Backing, Terminal } from "../terminal/terminal.ts";
import { makeAnswering } from "./answering.ts";
import { deskOf, makeFoundation, makeHttp, type RoleOptions } from "./foundation.ts";

/**
 * Everything in one process, with a terminal as its chat. Like every role it returns its parts in start order: the health API first, so that it answers
 * during the start and the stop; the consumer last, so that the first thing a stop does is to finish what is being answered.
 */
export function talkInTerminal(options: RoleOptions, terminal: Terminal): readonly Component[] {
  const foundation = makeFoundation(options, () => async () => "public");
  const consumer = makeAnswering(options, foundation, terminal);
  const http = makeHttp(options, foundation, { host: "127.0.0.1", whenTaken: "next-free" }, () => components);
  const { settings, model, inbox, connections, limits, retention, embedding } = foundation;
  const backing = (): Backing => ({
    hear: (envelope) => inbox.keep(envelope, priorityOf(envelope)),
    desk: deskOf(foundation, (signal) => http.status(signal)),
    drained: (signal) => consumer.drained(signal),
    facts: {
      agents: settings.current().agents.map((agent) => agent.displayName),
      model: model.offline ? "offline model; set GEMINI_API_KEY for Gemini" : model.name,
      dataDir: options.dataDir,
      version: options.version,
      httpUrl: http.url(),
    },
  });
  // Who is there is known as soon as the settings are read, while the database still opens.
  const greeted = afterStart(settings, () => terminal.connect(backing()));
  const components: readonly Component[] = [
    http,
    greeted,
    ...connections,
    ...limits,
    inbox,
    retention,
    embedding,
    terminal,
    consumer,
  ];
  return components;
}

/** The same part, with something to do as soon as it has started. */
function afterStart(component: Component, next: () => void): Component {
  return {
    ...component,
    start: async (signal, fatal) => {
      await component.start(signal, fatal);
      next();
    },
  };
}

function priorityOf(envelope: Envelope): Priority {
  return envelope.addressed ? "mention" : "ambient";
}

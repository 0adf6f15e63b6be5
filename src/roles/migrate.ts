import type { Component } from "../lifecycle/component.ts";
import { makeFoundation, type RoleOptions } from "./foundation.ts";

/** Brings the database to this build's schema; `done` is called when it is there. The other roles refuse any other schema. */
export function migrateDatabase(options: RoleOptions, done: () => void): readonly Component[] {
  const { postgres, inbox } = makeFoundation(options, () => async () => []);
  return [postgres, inbox, { name: "migrate", start: async () => done(), stop: async () => {} }];
}

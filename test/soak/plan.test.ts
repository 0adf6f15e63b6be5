import { expect, test } from "vitest";
import { nextThere } from "./crew.ts";
import { planSoak, strikeAnything, strikeProcess } from "./plan.ts";

const cast = { bots: 6, people: [4, 4, 1] };
const plan = (seed: number, strike = strikeAnything) => planSoak({ messages: 500, kills: 60, seed, cast, strike });

test("the same seed plans the same schedule, and another seed another one", () => {
  expect(plan(7)).toEqual(plan(7));
  expect(plan(7, strikeProcess)).toEqual(plan(7, strikeProcess));
  expect(plan(8)).not.toEqual(plan(7));
});

test("a plan has as many messages and blows as were asked for, and every kind of blow", () => {
  const deeds = plan(1);
  expect(deeds.filter(({ kind }) => kind === "say")).toHaveLength(500);
  const blows = deeds.filter(({ kind }) => kind !== "say");
  expect(blows).toHaveLength(60);
  expect(new Set([1, 2, 3].flatMap((seed) => plan(seed).map(({ kind }) => kind)))).toEqual(
    new Set([
      "say",
      "kill",
      "pause",
      "flush-redis",
      "cut-sockets",
      "restart-redis",
      "restart-postgres",
      "kill-postgres",
    ]),
  );
});

test("a blow meets the next process that is there when its own is away", () => {
  const there = {};
  expect(nextThere([there, there, there], 1)).toBe(1);
  expect(nextThere([there, null, there], 1)).toBe(2);
  expect(nextThere([there, null, null], 1)).toBe(0);
  expect(nextThere([null, null, null], 1)).toBe(null);
});

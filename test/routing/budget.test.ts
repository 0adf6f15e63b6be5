import { describe, expect, it } from "vitest";
import { withinBudget } from "../../src/routing/budget.ts";
import type { Agent, Snapshot } from "../../src/settings/settings.ts";
import { thoughtOf } from "../think/thoughts.ts";

describe("a daily budget", () => {
  const { snapshot } = thoughtOf();
  const [ada, bob] = snapshot.agents as [Agent, Agent];
  const limited = { ...ada, budget: { ...ada.budget, dailyTokens: 1_000 } };
  const settings: Snapshot = { ...snapshot, agents: [limited, bob], defaultAgent: limited };

  it("leaves everybody in as long as nobody has spent it", () => {
    expect(
      withinBudget(
        settings,
        new Map([
          ["ada", 999],
          ["bob", 9_999_999],
        ]),
      ),
    ).toBe(settings);
  });

  it("lets another agent answer for one that has, also for the default one", () => {
    expect(withinBudget(settings, new Map([["ada", 1_000]]))).toMatchObject({
      agents: [{ name: "bob" }],
      defaultAgent: { name: "bob" },
    });
  });

  it("says so when nobody is left", () => {
    expect(withinBudget({ ...settings, agents: [limited] }, new Map([["ada", 1_000]]))).toBeNull();
  });
});

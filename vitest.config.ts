import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/cluster/**", "test/image/**"],
    setupFiles: ["test/setup.ts"],
    globalSetup: ["test/servers/run.ts"],
    // Only a guard against what never ends: the slowest tests start several real processes on a busy machine.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Processes wait for each other more than they work: on two cores three files go well beside each other. PGlite holds 300 MB in each.
    maxWorkers: 3,
    maxConcurrency: 3,
  },
});

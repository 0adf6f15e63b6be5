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
    // PGlite holds 300 MB in each worker and the machine this must pass on has two cores.
    maxWorkers: 2,
    maxConcurrency: 3,
  },
});

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/setup.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // PGlite holds 300 MB in each worker and the machine this must pass on has two cores.
    maxWorkers: 2,
  },
});

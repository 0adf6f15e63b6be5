import { defineConfig } from "vitest/config";

// Apart from the others, because only who has a cluster can run them: npm run test:cluster.
export default defineConfig({
  root: `${import.meta.dirname}/../..`,
  test: {
    include: ["test/cluster/**/*.test.ts"],
    setupFiles: ["test/setup.ts"],
    globalSetup: ["test/servers/run.ts"],
    // Rollouts wait for drains, on machines that do other things too.
    testTimeout: 600_000,
    hookTimeout: 180_000,
    // One cluster, whose API server some of them kill.
    maxWorkers: 1,
    fileParallelism: false,
  },
});

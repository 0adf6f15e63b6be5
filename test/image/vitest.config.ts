import { defineConfig } from "vitest/config";

// Apart from the others, because only who has a container engine can run them: npm run test:image.
export default defineConfig({
  root: `${import.meta.dirname}/../..`,
  test: {
    include: ["test/image/**/*.test.ts"],
    setupFiles: ["test/setup.ts"],
    // The image is built in them.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    maxWorkers: 1,
    fileParallelism: false,
  },
});

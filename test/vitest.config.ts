import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/e2e/build.ts"],
    // Most tests wait more than they compute: three files at a time keep two cores busy.
    maxWorkers: 3,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    reporters: process.env["CI"] ? ["default", ["json", { outputFile: "node_modules/.cache/spinnkit/tests.json" }]] : ["default"],
    coverage: { provider: "v8", include: ["src/**"] },
  },
});

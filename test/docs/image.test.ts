import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { basesOf } from "../../scripts/image-build.ts";

const root = join(import.meta.dirname, "..", "..");
const read = (...path: string[]) => readFileSync(join(root, ...path), "utf8");
const page = read("docs", "operations", "image.md");

describe("docs/operations/image.md", () => {
  it("says what was measured, and parts that are the whole", () => {
    const { figures, goals } = JSON.parse(read("bench", "results", "kubernetes.json")) as {
      figures: { imageMb: number };
      goals: { imageMb: number };
    };
    const rows = [...page.matchAll(/^\| (.+?) \| (\d+) \|/gm)].map(([, part = "", mb]) => [part, Number(mb)] as const);
    const [whole, ...parts] = rows.toReversed();
    expect(whole?.[0]).toBe("the whole, unpacked");
    // Measurements differ by a megabyte; the page is mended when it is no longer true.
    expect(Math.abs((whole?.[1] ?? 0) / figures.imageMb - 1)).toBeLessThan(0.03);
    expect(parts.reduce((sum, [, mb]) => sum + mb, 0)).toBe(whole?.[1]);
    expect(page).toContain(`the goal is ${goals.imageMb}`);
  });

  it("names the bases of the Dockerfile", () => {
    const { base, buildBase } = basesOf(read("Dockerfile"));
    expect(page).toContain(`BASE  ${base}\n`);
    expect(page).toContain(`BUILD_BASE  ${buildBase} `);
    expect(page).toContain(`for image in ${buildBase} ${base}; do`);
  });

  it("is right in that a base needs nothing but Node on the path: the image has an entrypoint of its own, for a first argument that is a file or a flag", () => {
    expect(page).toContain("its own entrypoint, `node`");
    const [, last = ""] = read("Dockerfile").split("\nFROM ${BASE}\n");
    expect(last).toMatch(/^ENTRYPOINT \["node"\]\n(?:#.*\n)*CMD \["dist\/main\.js",/m);
    const manifests = read("k8s", "production", "10-discord-agent.yaml");
    expect(manifests).toMatch(/^ +(?:- )?args:\n +- --optimize-for-size$/m);
    expect(manifests).not.toMatch(/^ +(?:- )?command:/m);
  });

  it("is right in that nothing has to be reaped: the program starts no process and no worker", () => {
    const starts = /(?:from|import\(|require\() ?["'](?:node:)?(?:child_process|worker_threads|cluster)["']/;
    const sources = globSync("src/**/*.ts", { cwd: root });
    expect(sources.length).toBeGreaterThan(100);
    expect(sources.filter((path) => starts.test(read(path)))).toEqual([]);
  });
});

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { checkSource, type SourceFile } from "./architecture.ts";

const root = join(import.meta.dirname, "..");

function sources(folder: string): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith(".ts") && !path.includes("node_modules") && statSync(join(root, path)).isFile())
    .map((path) => ({ path: relative(root, join(root, path)), text: readFileSync(join(root, path), "utf8") }));
}

describe("the house", () => {
  it("is built as docs/architecture.md says", () => {
    expect(checkSource([...sources("src"), ...sources("test"), ...sources("bench"), ...sources("scripts")])).toEqual(
      [],
    );
  });

  const violations: readonly (readonly [string, SourceFile, RegExp])[] = [
    [
      "a room that imports one it may not",
      file("src/routing/route.ts", 'import { x } from "../memory/recall.ts";'),
      /routing may not import memory/,
    ],
    [
      "a dynamic import counts",
      file("src/routing/route.ts", 'await import("../memory/recall.ts");'),
      /routing may not import memory/,
    ],
    ["a library away from its home", file("src/answer.ts", 'import koa from "koa";'), /koa is at home in src\/http/],
    [
      "a second reader of the environment",
      file("src/http/server.ts", "const port = process.env.PORT;"),
      /reads the environment/,
    ],
    ["a file too long", file("src/answer.ts", "const a = 1;\n".repeat(301)), /301 lines/],
    ["a folder too deep", file("src/chat/discord/rest/send.ts", ""), /too deep/],
    ["a room nobody decided on", file("src/misc/things.ts", ""), /no room called misc/],
    ["a name that says nothing", file("src/memory/memory-utils.ts", ""), /says nothing/],
    ["a class that is a Manager", file("src/memory/recall.ts", "export class RecallManager {}"), /says nothing/],
    ["the product that imports its tests", file("src/answer.ts", 'import "../test/x.ts";'), /may not import test/],
    [
      "a sleep in a test",
      file("test/x.test.ts", "await new Promise((resolve) => setTimeout(resolve, 500));"),
      /sleeps/,
    ],
  ];
  it.each(violations)("refuses %s", (_, violation, message) => {
    expect(checkSource([violation]).join("\n")).toMatch(message);
  });
});

function file(path: string, text: string): SourceFile {
  return { path, text };
}

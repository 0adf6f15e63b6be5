import { expect, it } from "vitest";
import { makeLogger, type Logger } from "../../src/log.ts";

const canary = "canary-8c02";

function logged(write: (log: Logger) => void): { text: string; line: Record<string, unknown> } {
  let text = "";
  write(makeLogger("trace", { write: (line: string) => (text += line) }));
  return { text, line: JSON.parse(text) };
}

const fields = ["token", "apiKey", "password", "authorization", "secret", "connectionString", "url"];

it.each(fields)("a field named %s never reaches the log, at any of three depths", (field) => {
  for (const value of [canary, { inner: canary }, [canary]]) {
    const { text } = logged((log) =>
      log.info({ [field]: value, a: { [field]: value, b: { [field]: value } } }, "said"),
    );
    expect(text).not.toContain(canary);
    expect(text.split("[secret]")).toHaveLength(4);
  }
});

it.each(fields)("nor in what a child logger carries, or an error brings along: %s", (field) => {
  expect(logged((log) => log.child({ a: { [field]: canary } }).warn("said")).text).not.toContain(canary);
  const error = Object.assign(new Error("it broke"), { [field]: canary, config: { [field]: canary } });
  const { text, line } = logged((log) => log.error({ err: error }, "said"));
  expect(text).not.toContain(canary);
  expect(line["err"]).toMatchObject({ message: "it broke", stack: expect.stringContaining("redaction.test.ts") });
});

it("a line is one JSON object with level, time and sentence, whatever is in it", () => {
  const { text, line } = logged((log) => log.info({ turn: "1", text: "two\nlines \u2028 \ud800" }, "said"));
  expect(text.trim().split("\n")).toHaveLength(1);
  expect(line).toMatchObject({ level: "info", time: expect.stringMatching(/^\d{4}-.*Z$/), msg: "said", turn: "1" });
  expect(line).not.toHaveProperty("pid");
  expect(line).not.toHaveProperty("hostname");
});

import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { openKubernetes } from "../../src/connections/kubernetes.ts";
import { temporaryFolder } from "./fresh-database.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

it("a connection to the API server that watch after watch is asked on gathers nothing", async () => {
  let connections = 0;
  const server = createServer((_, response) => response.end('{"type":"BOOKMARK","object":{}}\n'));
  server.on("connection", () => (connections += 1));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  undo.push(() => server.close().closeAllConnections());
  const folder = await temporaryFolder();
  undo.push(() => folder.remove());
  const { port } = server.address() as AddressInfo;
  const cluster = { name: "c", cluster: { "insecure-skip-tls-verify": true, server: `http://127.0.0.1:${port}` } };
  const context = { name: "x", context: { cluster: "c", user: "u" } };
  const config = { clusters: [cluster], users: [{ name: "u", user: {} }], contexts: [context], "current-context": "x" };
  await writeFile(join(folder.path, "kubeconfig"), JSON.stringify({ apiVersion: "v1", kind: "Config", ...config }));
  vi.stubEnv("KUBECONFIG", join(folder.path, "kubeconfig"));
  undo.push(() => vi.unstubAllEnvs());
  const warnings: string[] = [];
  const hear = ({ message }: Error) => warnings.push(message);
  process.on("warning", hear);
  undo.push(() => process.off("warning", hear));

  const api = await openKubernetes({ namespace: "bots" });
  undo.push(() => api.close());
  const listener = { silenceMs: 150_000, onOpen: () => {}, onLine: () => {} };
  for (let watches = 0; watches < 15; watches += 1)
    await api.follow({ method: "GET", path: "/watch" }, listener, new AbortController().signal);
  // Warnings come a tick later.
  await new Promise(setImmediate);
  expect([connections, warnings]).toEqual([1, []]);
});

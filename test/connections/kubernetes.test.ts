import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { openKubernetes } from "../../src/connections/kubernetes.ts";
import { temporaryFolder } from "./fresh-database.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

/** Opens the API server that answers like this; resolves to it and to how many connections it has been asked on. */
async function openApi(answer: RequestListener) {
  let connections = 0;
  const server = createServer(answer);
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
  const api = await openKubernetes({ namespace: "bots" });
  undo.push(() => api.close());
  return { api, connections: () => connections };
}

it("a connection to the API server that watch after watch is asked on gathers nothing", async () => {
  const warnings: string[] = [];
  const hear = ({ message }: Error) => warnings.push(message);
  process.on("warning", hear);
  undo.push(() => process.off("warning", hear));

  const { api, connections } = await openApi((_, response) => response.end('{"type":"BOOKMARK","object":{}}\n'));
  const listener = { silenceMs: 150_000, onOpen: () => {}, onLine: () => {} };
  for (let watches = 0; watches < 15; watches += 1)
    await api.follow({ method: "GET", path: "/watch" }, listener, new AbortController().signal);
  // Warnings come a tick later.
  await new Promise(setImmediate);
  expect([connections(), warnings]).toEqual([1, []]);
});

it.each<[string, RequestListener, number]>([
  ["before it answers", () => {}, 0],
  ["after a line", (_, response) => void response.write("one\n"), 1],
  ["within a line", (_, response) => void response.write("one\ntw"), 1],
])("a watch of an API server that falls silent %s fails, and says why", async (_, answer, count) => {
  const { api } = await openApi(answer);
  const heard: string[] = [];
  const listener = { silenceMs: 1_000, onOpen: () => {}, onLine: (line: string) => heard.push(line) };
  const watch = api.follow({ method: "GET", path: "/watch" }, listener, new AbortController().signal);
  const why = { reason: "Silent", message: "the API server has said nothing for 1 s" };
  await expect(watch).rejects.toMatchObject({ name: "KubernetesError", ...why });
  expect(heard).toHaveLength(count);
});

it("a watch goes on as long as something comes now and then", async () => {
  const { api } = await openApi((_, response) => {
    let lines = 0;
    const timer = setInterval(() => {
      response.write("a line\n");
      if ((lines += 1) < 8) return;
      clearInterval(timer);
      response.end();
    }, 100);
  });
  const heard: string[] = [];
  const listener = { silenceMs: 500, onOpen: () => {}, onLine: (line: string) => heard.push(line) };
  await api.follow({ method: "GET", path: "/watch" }, listener, new AbortController().signal);
  expect(heard).toHaveLength(8);
});

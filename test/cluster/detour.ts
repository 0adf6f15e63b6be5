import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openKubernetes, type KubernetesApi } from "../../src/connections/kubernetes.ts";
import { temporaryFolder } from "../connections/fresh-database.ts";
import { openForwarder, type Forwarder } from "../servers/forwarder.ts";

/** The API server of KUBECONFIG, through an address of which a test can cut and move what goes through. */
export interface Detour {
  readonly forwarder: Forwarder;
  readonly api: KubernetesApi;
  /** The file that leads there. */
  readonly kubeconfig: string;
  close(): Promise<void>;
}

/** Opens one; `token`: as this ServiceAccount instead of as the administrator. */
export async function openDetour(namespace: string, token?: string): Promise<Detour> {
  const folder = await temporaryFolder();
  const direct = process.env["KUBECONFIG"] ?? "";
  const text = await readFile(direct, "utf8");
  const [, host, port] = /server: "?https:\/\/([^:]+):(\d+)/.exec(text) ?? [];
  const forwarder = await openForwarder(Number(port), host);
  const path = join(folder.path, "kubeconfig");
  const moved = text.replace(/(server: "?https:\/\/)[^:]+:\d+/, `$1127.0.0.1:${forwarder.port}`);
  const user =
    token === undefined ? moved : moved.replace(/users: .*/, `users: [{name: admin, user: {token: ${token}}}]`);
  await writeFile(path, user);
  process.env["KUBECONFIG"] = path;
  const api = await openKubernetes({ namespace }).finally(() => (process.env["KUBECONFIG"] = direct));
  return {
    forwarder,
    api,
    kubeconfig: path,
    close: async () => {
      api.close();
      await forwarder.close();
      await folder.remove();
    },
  };
}

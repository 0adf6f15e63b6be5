import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { agentCrd } from "./crd.ts";
import { yamlText } from "./yaml-text.ts";

const files = new Map([["k8s/crds/agents.yaml", yamlText([agentCrd()])]]);
for (const [path, text] of files) {
  const whole = join(import.meta.dirname, "..", path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, text);
}

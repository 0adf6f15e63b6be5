import { Construct } from "constructs";
import type { Identity } from "./identity.ts";
import { Manifest } from "./manifest.ts";
import type { Values } from "../values/values.ts";

/** What the bot may do in the cluster: exactly what it uses, in its own namespace. */
const rules = [
  { apiGroups: ["discord-agent.dev"], resources: ["agents"], verbs: ["list", "watch"] },
  { apiGroups: [""], resources: ["configmaps"], verbs: ["list", "watch"] },
  { apiGroups: ["discord-agent.dev"], resources: ["agents/status"], verbs: ["patch"] },
  { apiGroups: [""], resources: ["events"], verbs: ["create"] },
];

/** The ServiceAccount of the bot, unless it is there already, its Role and the binding of both. */
export class Access extends Construct {
  constructor(scope: Construct, values: Values, identity: Identity) {
    super(scope, "access");
    const account = values.pair(identity.serviceAccount);
    new Manifest(this, "account", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: {
        ...identity.metadata(undefined, {
          annotations: values.unlessEmpty("serviceAccount.annotations"),
        }),
        name: account,
      },
      automountServiceAccountToken: false,
      onlyIf: values.is("serviceAccount.create"),
    });
    new Manifest(this, "role", {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: identity.metadata(),
      rules,
    });
    new Manifest(this, "binding", {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: identity.metadata(),
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: identity.name() },
      subjects: [{ kind: "ServiceAccount", name: account, namespace: values.pair(identity.namespace) }],
    });
  }
}

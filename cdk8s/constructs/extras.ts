import { Construct } from "constructs";
import { all, not, type Values } from "../values/values.ts";
import type { Identity } from "./identity.ts";
import { Manifest } from "./manifest.ts";

/** Helm, Argo CD and Flux would delete the volume with the release, or as soon as a value asks for another database. */
const kept = {
  "helm.sh/resource-policy": "keep",
  "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
  "kustomize.toolkit.fluxcd.io/prune": "disabled",
};

/** What the API server fills into an item of a list, and a GitOps tool would take for a difference. */
const filledIn = { conversionStrategy: "Default", decodingStrategy: "None", metadataPolicy: "None" };

/** The volume of the embedded database, which is kept, and the Secret as the External Secrets Operator makes it. */
export class Extras extends Construct {
  constructor(scope: Construct, values: Values, identity: Identity) {
    super(scope, "extras");
    new Manifest(this, "data", {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: identity.metadata("data", { annotations: kept }),
      spec: {
        accessModes: ["ReadWriteOnce"],
        storageClassName: values.unlessEmpty("allInOne.storageClassName"),
        resources: { requests: { storage: values.value("allInOne.storage") } },
      },
      onlyIf: all(values.equals("topology", "all-in-one"), not(values.is("postgres.enabled"))),
    });
    new Manifest(this, "external-secret", {
      apiVersion: "external-secrets.io/v1",
      kind: "ExternalSecret",
      metadata: { ...identity.metadata(), name: values.pair(identity.secret) },
      spec: {
        refreshInterval: values.value("externalSecret.refreshInterval"),
        secretStoreRef: {
          name: values.value("externalSecret.storeName"),
          kind: values.value("externalSecret.storeKind"),
        },
        target: { name: values.pair(identity.secret) },
        dataFrom: [{ extract: { key: values.value("externalSecret.key"), ...filledIn } }],
      },
      onlyIf: values.is("externalSecret.enabled"),
      foreign: {
        wantedBy: "externalSecret.enabled",
        installedBy: "the External Secrets Operator 0.16 or newer",
        otherwise: "false",
      },
    });
  }
}

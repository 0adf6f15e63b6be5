import { isMap, isSeq, parseAllDocuments, type Document, type YAMLMap } from "yaml";

/** What a server writes into the objects that `kubectl get -o yaml` shows: a server refuses some of it, and the rest is of the place where the objects were. */
const ofServer = [
  ["status"],
  ...[
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
    "ownerReferences",
  ].map((field) => ["metadata", field]),
  ["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
];

/** The text of a file of agents with each of them in this namespace, its comments kept, without what another server knew of them. Throws where it is not YAML. */
export function agentsIn(namespace: string, text: string): string {
  // Every scalar stays as it is written: a channel id is too large for a number and would become another id.
  const documents = parseAllDocuments(text, { schema: "failsafe", stringKeys: true });
  if ("empty" in documents) return text;
  for (const document of documents) {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    for (const object of objectsOf(document)) place(document, object, namespace);
  }
  return documents.map((one) => one.toString({ lineWidth: 0, flowCollectionPadding: false })).join("");
}

/** The objects of a document: of a List its items, as `kubectl` takes them. */
function objectsOf({ contents }: Document): YAMLMap[] {
  if (!isMap(contents)) return [];
  const items = contents.get("items");
  return isSeq(items) ? items.items.filter((item) => isMap(item)) : [contents];
}

function place(document: Document, object: YAMLMap, namespace: string): void {
  for (const path of ofServer) if (object.hasIn(path)) object.deleteIn(path);
  const metadata = object.get("metadata");
  if (!isMap(metadata)) return;
  if (metadata.has("namespace")) metadata.set("namespace", namespace);
  else metadata.items.unshift(document.createPair("namespace", namespace));
}

import { ApiObject, App, Chart } from "cdk8s";
import { Access } from "./constructs/access.ts";
import { Configuration } from "./constructs/configuration.ts";
import { Databases } from "./constructs/databases.ts";
import { Deployments } from "./constructs/deployments.ts";
import { Extras } from "./constructs/extras.ts";
import { identityOf, type Release } from "./constructs/identity.ts";
import { Monitoring } from "./constructs/monitoring.ts";
import { Network } from "./constructs/network.ts";
import { Scaling } from "./constructs/scaling.ts";
import type { Values } from "./values/values.ts";
import type { ValueSet } from "./values/values-schema.ts";

/** All objects of a release in the order they are applied in. `data` is read only where values are literal. */
export function releaseObjects(values: Values, release: Release, data: ValueSet): ApiObject[] {
  const chart = new Chart(new App(), "release", { disableResourceNameHashes: true });
  const identity = identityOf(values, release, data);
  new Access(chart, values, identity);
  const configuration = new Configuration(chart, values, identity, data);
  new Network(chart, values, identity);
  new Databases(chart, values, identity);
  new Extras(chart, values, identity);
  new Deployments(chart, values, identity, configuration);
  new Scaling(chart, values, identity);
  new Monitoring(chart, values, identity);
  return chart.node.findAll().filter((node) => ApiObject.isApiObject(node));
}

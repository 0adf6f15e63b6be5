import { expect, it } from "vitest";
import { releaseOf } from "./release-of.ts";

it("an ExternalSecret says itself what the API server would fill into the items of its list: a second apply finds no difference", () => {
  const { get } = releaseOf({ externalSecret: { enabled: true, storeName: "vault" } });
  // The defaults of the CRD's version v1 for an item of `dataFrom`.
  const defaults = { conversionStrategy: "Default", decodingStrategy: "None", metadataPolicy: "None" };
  expect(get("ExternalSecret", "bot-discord-agent")).toMatchObject({
    apiVersion: "external-secrets.io/v1",
    spec: { dataFrom: [{ extract: { key: "discord-agent", ...defaults } }] },
  });
});

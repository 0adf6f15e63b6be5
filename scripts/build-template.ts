import { buildTemplate } from "../src/connections/template.ts";

// Run by `npm install`. A failure costs the first start two seconds and nothing else, so it must not fail the install.
await buildTemplate().catch((error: Error) => process.stderr.write(`no database template: ${error.message}\n`));

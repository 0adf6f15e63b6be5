// Without development packages an older Node may run this, which knows no TypeScript; then the first start builds what it needs.
if (process.features.typescript) await import("./build-template.ts");

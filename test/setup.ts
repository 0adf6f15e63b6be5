import { configureGlobal } from "fast-check";

// The same cases in every run; FC_SEED looks at others, and a counterexample becomes a case of its own.
configureGlobal({ seed: Number(process.env["FC_SEED"] ?? 1) });

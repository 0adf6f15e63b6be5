// A bundle that loads CommonJS later knows no other name of it than `default`; one that imports it here knows all.
export { Redis } from "ioredis";

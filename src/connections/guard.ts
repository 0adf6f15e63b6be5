/** Stands before a server: does the work, or throws at once while the server is known to be away. */
export type Guard = <T>(work: () => Promise<T>) => Promise<T>;

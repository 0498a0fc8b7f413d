/**
 * The other workers of a proxy (`--workers`), each of which knows only the clients whose connections it
 * has. Questions about clients go to all of them.
 */
export interface Siblings {
  /** Asks each for its answer to an Admin method. Answers of those that gave one in time. */
  ask(method: string, message: Uint8Array): Promise<readonly Uint8Array[]>;
  /** Who answers what siblings ask here. */
  onAsked(answer: (method: string, message: Uint8Array) => Promise<Uint8Array>): void;
}

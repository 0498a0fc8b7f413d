/**
 * Checks for our own mistakes. They stay on in production: a broker that stops is better than one
 * that writes nonsense. Wrong input from outside is never an assertion, it is an `RmqError`.
 */

/** Thrown when a statement about our own state does not hold; never caught to go on. */
export class AssertionError extends Error {
  override name = 'AssertionError';
}

/**
 * States that `condition` holds.
 * @throws AssertionError naming `what` when it does not.
 */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new AssertionError(`assertion failed: ${what}`);
}

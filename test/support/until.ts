/** Waiting for something that nobody announces. */

/** Resolves once `holds` does. @throws Error when it does not within `deadlineMs`. */
export async function until(
  holds: () => boolean,
  options: { readonly deadlineMs: number; readonly what: string },
): Promise<void> {
  const endMs = performance.now() + options.deadlineMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`not in time: ${options.what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Maps whose keys are objects, the way Apache's tools insist on: `{{"brokerName":…}:{…},{…}:{…}}`, which
 * is no JSON; facts/remoting.md 0.3.
 */
export function objectKeyMap(entries: readonly (readonly [object, unknown])[]): string {
  const pairs = entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return `{${pairs.join(',')}}`;
}

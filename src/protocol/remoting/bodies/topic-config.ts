/** Topic configuration as JSON, in bodies of 18, 21, 103 and 351; facts/store.md §9. */

/** The same shape as the broker's `TopicConfig`, which `protocol` may not import. */
export interface TopicConfigBody {
  readonly topic: string;
  readonly readQueueCount: number;
  readonly writeQueueCount: number;
  readonly permission: number;
  readonly filterType: 'SINGLE_TAG' | 'MULTI_TAG';
  readonly systemFlag: number;
  readonly isOrdered: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

/** When a table changed; facts/remoting.md §3.2. Equal when all three are. */
export interface DataVersion {
  readonly counter: number;
  readonly stateVersion: number;
  readonly timestamp: number;
}

/** A JSON-ready object with Apache's keys. */
export function topicConfigToJson(config: TopicConfigBody): Record<string, unknown> {
  return {
    attributes: config.attributes,
    order: config.isOrdered,
    perm: config.permission,
    readQueueNums: config.readQueueCount,
    topicFilterType: config.filterType,
    topicName: config.topic,
    topicSysFlag: config.systemFlag,
    writeQueueNums: config.writeQueueCount,
  };
}

/** Reads one; undefined when it has no name. Absent fields have Apache's defaults. */
export function topicConfigFromJson(value: unknown): TopicConfigBody | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const json = value as Record<string, unknown>; // an object, by the line above
  const topic = json['topicName'];
  if (typeof topic !== 'string') return undefined;
  return {
    topic,
    readQueueCount: numberOr(json['readQueueNums'], 16),
    writeQueueCount: numberOr(json['writeQueueNums'], 16),
    permission: numberOr(json['perm'], 6),
    filterType: json['topicFilterType'] === 'MULTI_TAG' ? 'MULTI_TAG' : 'SINGLE_TAG',
    systemFlag: numberOr(json['topicSysFlag'], 0),
    isOrdered: json['order'] === true,
    attributes: textMap(json['attributes']),
  };
}

/**
 * Attributes after an update: names with `+` add or replace, with `-` remove, without a sign they
 * are taken as they are (configurations of files).
 */
export function applyAttributeChanges(
  current: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string>>,
): Record<string, string> {
  const attributes = new Map(Object.entries(current));
  for (const [name, value] of Object.entries(changes)) {
    if (name.startsWith('-')) attributes.delete(name.slice(1));
    else attributes.set(name.startsWith('+') ? name.slice(1) : name, value);
  }
  return Object.fromEntries(attributes);
}

/** `+key=value,-key` of UPDATE_AND_CREATE_TOPIC as a map with the signs kept. */
export function parseAttributeChanges(text: string): Record<string, string> {
  const changes: [string, string][] = [];
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).trim();
    if (name !== '') changes.push([name, equals < 0 ? '' : part.slice(equals + 1).trim()]);
  }
  return Object.fromEntries(changes);
}

export function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}

export function textMap(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, String(item)]));
}

/** A message as the tail sees it: read once, decoded only as far as somebody asks. */
import type { RecordHost, StoredMessage } from '../../protocol/message/message.ts';
import { plainBody } from '../../protocol/message/plain-body.ts';
import { decodeProperties, findProperty } from '../../protocol/message/properties.ts';
import { PropertyName } from '../../protocol/message/property-names.ts';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** What an entry costs beside its bytes, about: two objects, two views, its places in the list. */
const entryOverheadBytes = 800;

/** Names and hosts that many messages share, each held once. */
const sharedCountMax = 10_000;
const sharedNames = new Map<string, string>();
const sharedHosts = new Map<string, RecordHost>();

function interned(name: string): string {
  return shared(sharedNames, name, () => name);
}

/** A host read from a record is a view that would hold all that was received with it. */
function internedHost({ address, port }: RecordHost): RecordHost {
  const key = `${address.join('.')}:${port}`;
  return shared(sharedHosts, key, () => ({ address: Uint8Array.from(address), port }));
}

function shared<T>(known: Map<string, T>, key: string, make: () => T): T {
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size >= sharedCountMax) known.clear();
  const made = make();
  known.set(key, made);
  return made;
}

export class TailEntry {
  readonly brokerName: string;
  /** `body` and `properties` are views into what was received until `keep` was called. */
  message: StoredMessage;
  /** Its place in the viewer's list, counted from the first that was taken; -1 outside of a list. */
  sequence = -1;
  #plain: Uint8Array | undefined = undefined;
  #text: string | undefined = undefined;
  #isText: boolean | undefined = undefined;
  #json: unknown = undefined;
  #isJson: boolean | undefined = undefined;

  constructor(message: StoredMessage, brokerName: string) {
    this.message = message;
    this.brokerName = brokerName;
  }

  get topic(): string {
    return this.message.topic;
  }

  /** `broker-a:3@1200`: where it is, and what `rmq message show` takes. */
  get place(): string {
    return `${this.brokerName}:${this.message.queueId}@${this.message.queueOffset}`;
  }

  get tag(): string | undefined {
    return this.property('TAGS');
  }

  get keys(): readonly string[] {
    return (this.property('KEYS') ?? '').split(' ').filter((key) => key !== '');
  }

  get messageId(): string | undefined {
    return this.property('UNIQ_KEY');
  }

  /** Where it belongs: of a dead letter or a retry the topic that it was sent to. */
  get originTopic(): string {
    if (!this.topic.startsWith('%')) return this.topic;
    const { dlqOriginTopic, retryTopic } = PropertyName;
    return this.property(dlqOriginTopic) ?? this.property(retryTopic) ?? this.topic;
  }

  /** One property, without decoding the others. */
  property(name: string): string | undefined {
    return findProperty(this.message.properties, name);
  }

  properties(): ReadonlyMap<string, string> {
    return decodeProperties(this.message.properties);
  }

  /** The body as its producer meant it, decompressed; as stored when that fails. */
  body(): Uint8Array {
    this.#plain ??= plainBody(this.message) ?? this.message.body;
    return this.#plain;
  }

  /** The body as text; undefined when it is not UTF-8. */
  text(): string | undefined {
    if (this.#isText === undefined) {
      try {
        this.#text = strictUtf8.decode(this.body());
        this.#isText = true;
      } catch {
        this.#isText = false; // Not text.
      }
    }
    return this.#text;
  }

  /** The body's JSON; undefined when it is none. */
  json(): unknown {
    if (this.#isJson === undefined) {
      this.#json = parseJson(this.text());
      this.#isJson = this.#json !== undefined;
    }
    return this.#json;
  }

  /** For somebody who keeps it: own copies of its bytes, and nothing that was decoded on the way. */
  keep(): void {
    const { message } = this;
    const { body, properties } = message;
    const bytes = Buffer.allocUnsafe(body.length + properties.length);
    bytes.set(body, 0);
    bytes.set(properties, body.length);
    this.message = {
      ...message,
      topic: interned(message.topic),
      bornHost: internedHost(message.bornHost),
      storeHost: internedHost(message.storeHost),
      body: bytes.subarray(0, body.length),
      properties: bytes.subarray(body.length),
    };
    this.forget();
  }

  /** Drops what was decoded; it comes back when somebody asks. */
  forget(): void {
    this.#plain = undefined;
    this.#text = undefined;
    this.#isText = undefined;
    this.#json = undefined;
    this.#isJson = undefined;
  }

  /** Memory that it takes once kept, about. */
  get sizeBytes(): number {
    const { body, properties } = this.message;
    return body.length + properties.length + entryOverheadBytes;
  }
}

function parseJson(text: string | undefined): unknown {
  // Numbers and words alone are JSON, too, but nobody means that.
  if (text === undefined || !/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // Not JSON.
  }
}

/** In the order of their broker's log; between brokers by store time. */
export function compareStored(a: TailEntry, b: TailEntry): number {
  if (a.brokerName === b.brokerName && a.message.storeTimestampMs === b.message.storeTimestampMs) {
    return a.message.physicalOffset - b.message.physicalOffset;
  }
  return a.message.storeTimestampMs - b.message.storeTimestampMs;
}

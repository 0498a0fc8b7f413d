/** Writes a store directory as Apache's broker leaves it, record by record. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MessageDraft } from '../../src/protocol/message/message.ts';
import { encodeProperties } from '../../src/protocol/message/properties.ts';
import {
  encodeBlank,
  encodeRecord,
  RecordPlacement,
  recordSizeBytes,
} from '../../src/protocol/message/record.ts';

const host = { address: Buffer.from([127, 0, 0, 1]), port: 10_911 };

export interface ApacheMessage {
  readonly topic: string;
  readonly queueId?: number;
  readonly body?: string | Buffer;
  readonly properties?: Readonly<Record<string, string>>;
  readonly sysFlag?: number;
  readonly reconsumeTimes?: number;
  readonly preparedTransactionOffset?: number;
}

export class ApacheLog {
  readonly #segmentSize: number;
  readonly #segments: Buffer[] = [];
  readonly #next = new Map<string, number>();
  readonly #firstBase: number;
  #at = 0;

  constructor(options: { readonly segmentSize?: number; readonly firstBase?: number } = {}) {
    this.#segmentSize = options.segmentSize ?? 64 << 10;
    this.#firstBase = options.firstBase ?? 0;
    this.#segments.push(Buffer.alloc(this.#segmentSize));
  }

  /** The next message of a queue has this offset. */
  beginAt(topic: string, queueId: number, offset: number): void {
    this.#next.set(`${topic} ${queueId}`, offset);
  }

  /** Answers the physical offset and the queue offset. */
  add(message: ApacheMessage, storeTimestampMs: number): [physical: number, queue: number] {
    const { topic, queueId = 0 } = message;
    const draft: MessageDraft = {
      topic,
      queueId,
      flag: 0,
      sysFlag: message.sysFlag ?? 0,
      bornTimestampMs: 1,
      bornHost: host,
      reconsumeTimes: message.reconsumeTimes ?? 0,
      preparedTransactionOffset: message.preparedTransactionOffset ?? 0,
      body: Buffer.from(message.body ?? 'x'),
      properties: encodeProperties(new Map(Object.entries(message.properties ?? {}))),
    };
    const placement = new RecordPlacement(host, false);
    const name = Buffer.from(topic);
    const size = recordSizeBytes(draft, name.length, placement);
    if (this.#at + size + 8 > this.#segmentSize) this.#roll();
    const key = `${topic} ${queueId}`;
    placement.queueOffset = this.#next.get(key) ?? 0;
    placement.physicalOffset = this.#base + this.#at;
    placement.storeTimestampMs = storeTimestampMs;
    encodeRecord(this.#segments.at(-1) as Buffer, this.#at, draft, name, placement); // never empty
    this.#at += size;
    const parts = Number(message.properties?.['INNER_NUM'] ?? 1);
    this.#next.set(key, placement.queueOffset + parts);
    return [placement.physicalOffset, placement.queueOffset];
  }

  get #base(): number {
    return this.#firstBase + (this.#segments.length - 1) * this.#segmentSize;
  }

  #roll(): void {
    const last = this.#segments.at(-1) as Buffer; // never empty
    encodeBlank(last, this.#at, this.#segmentSize - this.#at);
    this.#segments.push(Buffer.alloc(this.#segmentSize));
    this.#at = 0;
  }

  write(folder: string, config: Readonly<Record<string, unknown>> = {}): void {
    mkdirSync(join(folder, 'commitlog'), { recursive: true });
    mkdirSync(join(folder, 'config'), { recursive: true });
    for (const [index, bytes] of this.#segments.entries()) {
      const base = this.#firstBase + index * this.#segmentSize;
      writeFileSync(join(folder, 'commitlog', String(base).padStart(20, '0')), bytes);
    }
    for (const [name, content] of Object.entries(config)) {
      const text = Buffer.isBuffer(content) ? content : JSON.stringify(content);
      writeFileSync(join(folder, 'config', name), text);
    }
  }
}

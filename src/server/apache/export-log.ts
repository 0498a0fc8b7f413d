/**
 * Writes a log of ours as Apache's broker opens it: the same records at the same offsets, in segments that all
 * have their full size. Where ours has a hole, Apache's log would end (facts/store.md §16.4): a record of a
 * topic that nobody reads fills it. What only Apache needs is appended behind the end.
 */
import type { Files, OpenFile } from '../../platform/files.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { MessageDraft } from '../../protocol/message/message.ts';
import {
  blankSizeBytes,
  encodeBlank,
  encodeRecord,
  RecordPlacement,
  recordSizeBytes,
  StoredRecord,
} from '../../protocol/message/record.ts';
import { segmentName } from '../store/log/segment.ts';
import { SegmentWalk } from '../store/log/segment-walk.ts';
import type { Progress } from './copy-log.ts';

const copySizeBytes = 1 << 20;
const fillerTopic = 'rmq_sys_hole';
const localHost = { address: Buffer.from([127, 0, 0, 1]), port: 0 };

/** Where an appended or filling record lies. */
export interface WrittenRecord {
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly sizeBytes: number;
}

export interface LogWriterOptions {
  readonly files: Files;
  /** Store folders, each with its `commitlog`. */
  readonly from: string;
  readonly to: string;
  readonly segmentSizeBytes: number;
  readonly beginOffset: number;
  readonly endOffset: number;
  readonly nowMs: number;
  record(record: StoredRecord): void;
  progress(progress: Progress): void;
  /** Throws when the work is to stop. */
  check(): void;
}

export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #folder: string;
  readonly fillers: WrittenRecord[] = [];
  #end: number;
  #file: OpenFile | undefined = undefined;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#folder = `${options.to}/commitlog`;
    this.#end = options.endOffset;
  }

  /** @throws RmqError STORE_CORRUPT */
  async copy(): Promise<void> {
    const { files, beginOffset, endOffset, segmentSizeBytes, progress } = this.#options;
    await files.makeFolder(this.#folder);
    const totalBytes = endOffset - beginOffset;
    for (let base = beginOffset; base < endOffset; base += segmentSizeBytes) {
      progress({ doneBytes: base - beginOffset, totalBytes });
      const target = await this.#create(base);
      await this.#segment(base, target);
      if (base + segmentSizeBytes >= endOffset) this.#file = target;
      else await close(target);
    }
  }

  async #create(base: number): Promise<OpenFile> {
    const file = await this.#options.files.open(`${this.#folder}/${segmentName(base)}`, {
      create: true,
    });
    await file.truncate(this.#options.segmentSizeBytes);
    return file;
  }

  async #segment(base: number, target: OpenFile): Promise<void> {
    const { segmentSizeBytes, endOffset } = this.#options;
    const used = Math.min(segmentSizeBytes, endOffset - base);
    const source = await this.#source(base);
    if (source === undefined) return await this.#close(target, 0, segmentSizeBytes);
    try {
      await this.#copyBytes(source, target, used);
      await this.#walk(base, source, target, used);
    } finally {
      await source.close();
    }
  }

  /** Undefined: the segment is missing. */
  async #source(base: number): Promise<OpenFile | undefined> {
    const { files, from } = this.#options;
    const folder = `${from}/commitlog`;
    const name = segmentName(base);
    if (!(await files.list(folder)).includes(name)) return undefined;
    return await files.open(`${folder}/${name}`, { create: false, isReadOnly: true });
  }

  async #copyBytes(source: OpenFile, target: OpenFile, used: number): Promise<void> {
    const bytes = Buffer.allocUnsafe(copySizeBytes);
    for (let at = 0; at < used; at += copySizeBytes) {
      this.#options.check();
      const got = await source.read(bytes, 0, Math.min(copySizeBytes, used - at), at);
      if (got === 0) return;
      await target.write(bytes.subarray(0, got), at);
    }
  }

  /** Shows the records and fills what is between them. */
  async #walk(base: number, source: OpenFile, target: OpenFile, used: number): Promise<void> {
    const holes: { begin: number; end: number }[] = [];
    const walk = new SegmentWalk({
      read: (bytes, at, size, offset) =>
        source.read(bytes, at, Math.max(0, Math.min(size, base + used - offset)), offset - base),
      endOffset: base + this.#options.segmentSizeBytes,
      visitor: {
        record: (bytes, at, layout) => this.#options.record(new StoredRecord(bytes, at, layout)),
        hole: ({ beginOffset, endOffset }) => {
          holes.push({ begin: beginOffset - base, end: endOffset - base });
        },
        progress: () => this.#options.check(),
      },
    });
    const end = await walk.run(base);
    for (const { begin, end: holeEnd } of holes) await this.#fill(base, target, begin, holeEnd);
    if (end.isClosed || end.offset - base >= used) return;
    // The rest of it is lost: what follows is in the next segment, or nowhere.
    if (used === this.#options.segmentSizeBytes) {
      await this.#close(target, end.offset - base, used - (end.offset - base));
    } else await this.#fill(base, target, end.offset - base, used);
  }

  async #close(target: OpenFile, at: number, rest: number): Promise<void> {
    const blank = Buffer.alloc(blankSizeBytes);
    encodeBlank(blank, 0, rest);
    await target.write(blank, at);
  }

  async #fill(base: number, target: OpenFile, begin: number, end: number): Promise<void> {
    const draft = { ...emptyDraft(fillerTopic), body: Buffer.alloc(0) };
    const placement = this.#placement(false);
    placement.queueOffset = this.fillers.length;
    placement.physicalOffset = base + begin;
    const topic = Buffer.from(fillerTopic);
    const room = end - begin - recordSizeBytes(draft, topic.length, placement);
    if (room < 0) {
      const text = `the hole of ${end - begin} bytes at offset ${base + begin} is too small to be filled`;
      throw new RmqError('STORE_CORRUPT', text, { hint: 'rmq store verify shows what is damaged' });
    }
    const out = Buffer.alloc(end - begin);
    encodeRecord(out, 0, { ...draft, body: Buffer.alloc(room) }, topic, placement);
    await target.write(out, begin);
    const { queueOffset, physicalOffset } = placement;
    const sizeBytes = out.length;
    this.fillers.push({ topic: fillerTopic, queueId: 0, queueOffset, physicalOffset, sizeBytes });
  }

  #placement(hasChecksum: boolean): RecordPlacement {
    const placement = new RecordPlacement(localHost, hasChecksum);
    placement.storeTimestampMs = this.#options.nowMs;
    return placement;
  }

  /** Behind the end of the log. */
  async append(draft: MessageDraft, queueOffset: number): Promise<WrittenRecord> {
    const { segmentSizeBytes, beginOffset } = this.#options;
    const topic = Buffer.from(draft.topic);
    const placement = this.#placement(true);
    const sizeBytes = recordSizeBytes(draft, topic.length, placement);
    let base = this.#end - ((this.#end - beginOffset) % segmentSizeBytes);
    const rest = base + segmentSizeBytes - this.#end;
    if (this.#file !== undefined && sizeBytes + blankSizeBytes > rest) {
      await this.#close(this.#file, segmentSizeBytes - rest, rest);
      await close(this.#file);
      this.#file = undefined;
      this.#end = base + segmentSizeBytes;
      base = this.#end;
    }
    this.#file ??= await this.#create(base);
    placement.queueOffset = queueOffset;
    placement.physicalOffset = this.#end;
    const out = Buffer.alloc(sizeBytes);
    encodeRecord(out, 0, draft, topic, placement);
    await this.#file.write(out, this.#end - base);
    const { physicalOffset } = placement;
    this.#end += sizeBytes;
    return { topic: draft.topic, queueId: draft.queueId, queueOffset, physicalOffset, sizeBytes };
  }

  /** Where the log ends now. */
  get endOffset(): number {
    return this.#end;
  }

  async close(): Promise<void> {
    if (this.#file !== undefined) await close(this.#file);
    this.#file = undefined;
  }
}

/** A message without anything, born here and now. */
export function emptyDraft(topic: string): MessageDraft {
  return {
    topic,
    queueId: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: 0,
    bornHost: localHost,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    body: Buffer.alloc(0),
    properties: Buffer.alloc(0),
  };
}

async function close(file: OpenFile): Promise<void> {
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Carries out lines of an import: settings one after the other, messages many at once. */
import type { AdminClient } from '../../client/admin-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Context } from '../shared/context.ts';
import type { FileLine } from '../shared/file-lines.ts';
import { type MessageLine, messageOf, parseLine } from '../shared/message-line.ts';
import { pause } from '../shared/progress.ts';
import { type ImportedSetting, importSetting } from './settings.ts';

export interface ImporterOptions {
  readonly topic?: string;
  readonly offsets: 'exact' | 'time';
  readonly rate?: number;
  readonly dryRun: boolean;
}

interface Counts {
  topicCount: number;
  groupCount: number;
  offsetCount: number;
  messageCount: number;
  unchangedCount: number;
}

interface Taken {
  readonly line: MessageLine;
  readonly topic: string;
}

const windowCount = 64;
const windowBytes = 4 << 20;

export class Importer {
  readonly #context: Context;
  readonly #admin: AdminClient;
  readonly #options: ImporterOptions;
  readonly #startedMs: number;
  #window: Taken[] = [];
  #windowBytes = 0;
  #takenOffset = 0;
  /** Everything before it is kept by the cluster. */
  doneOffset = 0;
  readonly counts: Counts = {
    topicCount: 0,
    groupCount: 0,
    offsetCount: 0,
    messageCount: 0,
    unchangedCount: 0,
  };

  constructor(context: Context, admin: AdminClient, options: ImporterOptions) {
    this.#context = context;
    this.#admin = admin;
    this.#options = options;
    this.#startedMs = context.clock.monotonicMs();
  }

  summary(): string {
    const { topicCount, groupCount, offsetCount, messageCount } = this.counts;
    return `${messageCount} messages, ${topicCount} topics, ${groupCount} groups, ${offsetCount} offsets are done`;
  }

  /** @returns where the done part ends, when it grew. @throws RmqError of the line, or of the cluster. */
  async take({ text, number, endOffset }: FileLine, behind: string): Promise<number | undefined> {
    if (text.trim() === '') return undefined;
    const where = `line ${number}${behind}`;
    const json = parseLine(text, where);
    const kind = json['kind'] ?? 'message';
    if (kind === 'topic' || kind === 'group' || kind === 'offset') {
      await this.flush();
      this.#count(kind, await importSetting(this.#admin, json, where, this.#options));
      this.#takenOffset = endOffset;
      this.doneOffset = endOffset;
      return endOffset;
    }
    if (kind !== 'message') {
      throw new RmqError('USAGE', `${where}: "kind" is ${JSON.stringify(kind)}`, {
        hint: 'topic, group, offset or message',
      });
    }
    const line = messageOf(json, where, this.#context.clock.nowMs());
    const topic = this.#options.topic ?? line.topic;
    if (topic === undefined) {
      throw new RmqError('USAGE', `${where}: there is no "topic"`, { hint: '--topic names one' });
    }
    this.#window.push({ line, topic });
    this.#windowBytes += line.body.length;
    this.#takenOffset = endOffset;
    const isFull = this.#window.length >= this.#countAtOnce() || this.#windowBytes >= windowBytes;
    return isFull ? this.flush() : undefined;
  }

  /** Sends what was taken; all of it is kept when it resolves. @returns where the done part ends. */
  async flush(): Promise<number> {
    const window = this.#window;
    this.#window = [];
    this.#windowBytes = 0;
    if (!this.#options.dryRun && window.length > 0) await this.#send(window);
    this.counts.messageCount += window.length;
    this.doneOffset = this.#takenOffset;
    if (window.length > 0) await this.#keepRate();
    return this.doneOffset;
  }

  #count(kind: 'topic' | 'group' | 'offset', result: ImportedSetting): void {
    if (result === 'unchanged') this.counts.unchangedCount++;
    else this.counts[`${kind}Count`]++;
  }

  /** With a low rate not a second's worth at once. */
  #countAtOnce(): number {
    const { rate } = this.#options;
    return rate === undefined ? windowCount : Math.min(windowCount, Math.max(1, rate / 10));
  }

  /** Messages of one group leave one after the other, the rest at once. */
  async #send(window: readonly Taken[]): Promise<void> {
    const chains = new Map<string, Taken[]>();
    const single: Taken[][] = [];
    for (const taken of window) {
      const { messageGroup } = taken.line;
      if (messageGroup === undefined) single.push([taken]);
      else {
        const key = `${taken.topic} ${messageGroup}`;
        const chain = chains.get(key);
        if (chain === undefined) chains.set(key, [taken]);
        else chain.push(taken);
      }
    }
    const sent = await Promise.allSettled(
      [...single, ...chains.values()].map(async (chain) => {
        for (const taken of chain) await this.#sendOne(taken);
      }),
    );
    const failed = sent.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #sendOne({ line, topic }: Taken): Promise<void> {
    const { body, properties, messageGroup, bornTimestampMs } = line;
    await this.#admin.send({
      topic,
      body,
      properties,
      bornTimestampMs: bornTimestampMs ?? this.#context.clock.nowMs(),
      ...(messageGroup === undefined ? {} : { orderKey: messageGroup }),
    });
  }

  async #keepRate(): Promise<void> {
    const { rate, dryRun } = this.#options;
    if (rate === undefined || dryRun) return;
    const dueMs = this.#startedMs + (this.counts.messageCount / rate) * 1_000;
    await pause(this.#context, dueMs - this.#context.clock.monotonicMs());
  }
}

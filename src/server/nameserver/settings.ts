/**
 * Settings of a NameServer by Apache's names (318, 319). Those of the table can change while it runs and are
 * kept on disk, as one change by request is the only way to make them; facts/remoting.md 3.
 */
import type { Files } from '../../platform/files.ts';
import { RmqError } from '../../protocol/errors.ts';
import { parsePropertyLines } from '../../protocol/remoting/bodies/property-lines.ts';

/** What a change may be, and what holds without one. */
const defaults = {
  /** Milliseconds between two looks for brokers that are silent. */
  scanNotActiveBrokerInterval: 500,
  /** Routes only after `waitSecondsForService`, when all brokers have had the time to register. */
  needWaitForService: false,
  waitSecondsForService: 45,
  /** Order configurations of topics (KV namespace ORDER_TOPIC_CONFIG) in their routes. */
  orderMessageEnable: false,
  returnOrderTopicConfigToBroker: true,
  enableAllTopicList: true,
  /** A slave that stands in for its master is shown as id 0. */
  supportActingMaster: false,
  /** A registration names all topics of the broker: those missing are gone. */
  deleteTopicWithBrokerRegistration: false,
};

type NameServerValues = typeof defaults;

const numberMax = 86_400_000;

export class NameServerSettings {
  readonly values: NameServerValues = { ...defaults };
  readonly #files: Files;
  readonly #path: string | undefined;
  #saving: Promise<void> = Promise.resolve();

  /** Without a folder changes live in memory. */
  constructor(options: { readonly files: Files; readonly folder: string | undefined }) {
    this.#files = options.files;
    this.#path = options.folder === undefined ? undefined : `${options.folder}/namesrv.properties`;
  }

  /** @throws RmqError ILLEGAL_CONFIG when somebody edited the file to something that is none. */
  async load(): Promise<void> {
    if (this.#path === undefined) return;
    let bytes: Buffer;
    try {
      bytes = await this.#files.readFile(this.#path);
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return; // nothing was changed yet
      throw error;
    }
    Object.assign(this.values, changesOf(parsePropertyLines(bytes)));
  }

  /** All lines or none; resolves once it is on disk. @throws RmqError ILLEGAL_CONFIG, BAD_REQUEST */
  update(body: Uint8Array): Promise<void> {
    Object.assign(this.values, changesOf(parsePropertyLines(body)));
    const path = this.#path;
    if (path === undefined) return Promise.resolve();
    const content = Buffer.from(this.#text());
    const saved = this.#saving.then(() => this.#files.replaceFile(path, content));
    this.#saving = saved.catch(() => undefined); // `saved` tells the one who asked
    return saved;
  }

  #text(): string {
    return Object.entries(this.values)
      .map(([name, value]) => `${name}=${value}\n`)
      .join('');
  }

  /** Properties text of everything, with what cannot change. */
  show(fixed: Readonly<Record<string, string | number>>): Buffer {
    const lines = Object.entries(fixed).map(([name, value]) => `${name}=${value}\n`);
    return Buffer.from(lines.join('') + this.#text());
  }
}

function changesOf(pairs: readonly (readonly [string, string])[]): Partial<NameServerValues> {
  return Object.fromEntries(pairs.map(([name, text]) => [name, valueOf(name, text)]));
}

function valueOf(name: string, text: string): number | boolean {
  const known = Object.entries(defaults).find(([key]) => key === name)?.[1];
  if (known === undefined) {
    throw new RmqError(
      'ILLEGAL_CONFIG',
      `${name} cannot change while the NameServer runs; these can: ${Object.keys(defaults).join(', ')}`,
    );
  }
  if (typeof known === 'boolean') {
    if (text === 'true' || text === 'false') return text === 'true';
    throw new RmqError('ILLEGAL_CONFIG', `${name} is ${JSON.stringify(text)}, not true or false`);
  }
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= numberMax) return value;
  throw new RmqError('ILLEGAL_CONFIG', `${name} is ${JSON.stringify(text)}, not 1 to ${numberMax}`);
}

/** The key-value configuration of a NameServer: the one thing of it that is kept on disk. */
import type { Files } from '../../platform/files.ts';
import { RmqError } from '../../protocol/errors.ts';
import { entriesOf, parseJsonObject } from '../../protocol/remoting/bodies/json.ts';
import { limits } from '../shared/limits.ts';

/** Namespace of topics' order configurations, `broker:queues;…`. */
export const orderConfigNamespace = 'ORDER_TOPIC_CONFIG';

export class KvConfig {
  readonly #namespaces = new Map<string, Map<string, string>>();
  readonly #files: Files | undefined;
  readonly #path: string | undefined;
  #saving: Promise<void> = Promise.resolve();

  /** Without a folder it lives in memory. */
  constructor(options: { readonly files: Files; readonly folder: string | undefined }) {
    this.#files = options.files;
    this.#path = options.folder === undefined ? undefined : `${options.folder}/kvConfig.json`;
  }

  async load(): Promise<void> {
    if (this.#path === undefined || this.#files === undefined) return;
    let bytes: Buffer;
    try {
      bytes = await this.#files.readFile(this.#path);
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return; // nothing has been put yet
      throw error;
    }
    for (const [namespace, table] of entriesOf(parseJsonObject(bytes)['configTable'])) {
      const values = new Map<string, string>();
      for (const [key, value] of entriesOf(table))
        if (typeof value === 'string') values.set(key, value);
      this.#namespaces.set(namespace, values);
    }
  }

  get(namespace: string, key: string): string | undefined {
    return this.#namespaces.get(namespace)?.get(key);
  }

  list(namespace: string): Record<string, string> | undefined {
    const values = this.#namespaces.get(namespace);
    return values === undefined ? undefined : Object.fromEntries(values);
  }

  /** Resolves once it is on disk. */
  put(namespace: string, key: string, value: string): Promise<void> {
    const values = this.#namespaces.get(namespace) ?? new Map<string, string>();
    if (!values.has(key)) this.#checkCount();
    if (namespace.length + key.length + value.length > limits.kvValueMaxCharacters) {
      const text = `a value of ${value.length} characters, at most ${limits.kvValueMaxCharacters} with its names`;
      return Promise.reject(new RmqError('BAD_REQUEST', text));
    }
    values.set(key, value);
    this.#namespaces.set(namespace, values);
    return this.#save();
  }

  /** @throws RmqError BUSY */
  #checkCount(): void {
    let count = 0;
    for (const values of this.#namespaces.values()) count += values.size;
    if (count < limits.kvEntryCountMax) return;
    throw new RmqError('BUSY', `${count} key-value entries are kept, the limit`);
  }

  delete(namespace: string, key: string): Promise<void> {
    if (this.#namespaces.get(namespace)?.delete(key) !== true) return Promise.resolve();
    return this.#save();
  }

  #save(): Promise<void> {
    const { files, path } = { files: this.#files, path: this.#path };
    if (files === undefined || path === undefined) return Promise.resolve();
    const configTable = Object.fromEntries(
      [...this.#namespaces].map(([name, values]) => [name, Object.fromEntries(values)]),
    );
    const content = Buffer.from(JSON.stringify({ configTable }, undefined, 2));
    const saved = this.#saving.then(() => files.replaceFile(path, content));
    this.#saving = saved.catch(() => undefined); // `saved` tells the one who asked
    return saved;
  }
}

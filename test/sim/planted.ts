/**
 * Bugs planted on purpose, as wrappers around the store or its ports, so that production code has no
 * switch for them. Each must be caught by the simulator within a modest number of seeds.
 */
import type { Files, OpenFile } from '../../src/platform/files.ts';
import type { Planted } from './store-run.ts';

/** Acknowledges while the write and the sync are still under way. */
export const ackBeforeWrite: Planted = {
  wrapFiles: (files) =>
    wrapOpen(files, (file) => ({
      ...methodsOf(file),
      write: (source, position) => {
        void file.write(Buffer.from(source), position).catch(() => undefined);
        return Promise.resolve();
      },
      datasync: () => {
        void file.datasync().catch(() => undefined);
        return Promise.resolve();
      },
    })),
};

function methodsOf(file: OpenFile): OpenFile {
  return {
    read: (target, at, size, position) => file.read(target, at, size, position),
    write: (source, position) => file.write(source, position),
    datasync: () => file.datasync(),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    sizeBytes: () => file.sizeBytes(),
    close: () => file.close(),
  };
}

function wrapOpen(files: Files, wrap: (file: OpenFile) => OpenFile): Files {
  return new Proxy(files, {
    get: (target, name) => {
      if (name === 'open') {
        return async (path: string, options: { readonly create: boolean }) =>
          wrap(await target.open(path, options));
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

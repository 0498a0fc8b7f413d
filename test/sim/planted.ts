/**
 * Bugs planted on purpose, as wrappers around the store or its ports, so that production code has no
 * switch for them. Each must be caught by the simulator within a modest number of seeds.
 */
import type { Files, OpenFile } from '../../src/platform/files.ts';
import { RmqError } from '../../src/protocol/errors.ts';
import type { MessageDraft, QueueOffset } from '../../src/protocol/message/message.ts';
import {
  findProperty,
  withoutProperties,
  withProperties,
} from '../../src/protocol/message/properties.ts';
import type { BrokerApi, PoppedMessage } from '../../src/server/broker/api.ts';
import type { PlantedInBroker } from './broker-run.ts';
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

/** The offset passes the last message of each larger answer, which nobody consumed. */
export const offsetTooFar: PlantedInBroker = {
  wrapBroker: (broker) => wrapMethod(broker, 'pop', popLess(broker)),
};

/** The object with one of its methods replaced. */
function wrapMethod<Target extends object, Name extends keyof Target>(
  inner: Target,
  wrapped: Name,
  method: Target[Name],
): Target {
  return new Proxy(inner, {
    get: (target, name) => {
      if (name === wrapped) return method;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** A consumer that keeps its own offset has it moved past a message that it did not see. */
export const pulledOffsetTooFar: PlantedInBroker = {
  wrapBroker: (broker) =>
    wrapMethod(broker, 'putOffset', (group, topic, queueId, offset) =>
      broker.putOffset(group, topic, queueId, (offset + 1) as QueueOffset),
    ),
};

/** Each delivery says that it is the first. */
export const attemptsForgotten: PlantedInBroker = {
  wrapBroker: (broker) =>
    wrapMethod(
      broker,
      'pop',
      popChanged(broker, (popped) => ({ ...popped, deliveryAttempt: 1 })),
    ),
};

/** Every other acknowledgement is answered and not carried out. */
export const ackLost: PlantedInBroker = {
  wrapBroker: (broker) => {
    let count = 0;
    return wrapMethod(broker, 'ack', (request, reply) => {
      count += 1;
      if (count % 2 === 1) broker.ack(request, reply);
      else reply(request.receiptHandles.map(() => undefined));
    });
  },
};

/** Messages of a group are handed out though one before them is in flight. */
export const orderForgotten: PlantedInBroker = {
  wrapBroker: (broker) =>
    wrapMethod(broker, 'pop', (request, reply) =>
      broker.pop({ ...request, isOrdered: false }, reply),
    ),
};

/** What its producer rolled back is committed. */
export const rollbackForgotten: PlantedInBroker = {
  wrapBroker: (broker) =>
    wrapMethod(broker, 'endTransaction', (request, reply) =>
      broker.endTransaction({ ...request, resolution: 'COMMIT' }, reply),
    ),
};

/** A message comes again while the consumer that got it still has its time. */
export const visibleTooSoon: PlantedInBroker = {
  wrapBroker: (broker) =>
    wrapMethod(broker, 'pop', (request, reply) =>
      broker.pop({ ...request, invisibleTimeMs: request.invisibleTimeMs / 2 }, reply),
    ),
};

/** A send now and then is stored twice, as after a retry. */
export const sentTwice: PlantedInBroker = {
  wrapBroker: (broker) => {
    let count = 0;
    return wrapMethod(broker, 'send', (request, reply) => {
      count += 1;
      if (count % 5 === 0) broker.send(request, () => {});
      broker.send(request, reply);
    });
  },
};

/** Syncs are answered and not carried out. */
export const syncForgotten: Planted = {
  wrapFiles: (files) =>
    wrapOpen(files, (file) => ({ ...methodsOf(file), datasync: () => Promise.resolve() })),
};

/** Names of new files are left to chance. */
export const folderSyncForgotten: Planted = {
  wrapFiles: (files) => wrapMethod(files, 'syncFolder', () => Promise.resolve()),
};

/** Recalls are answered and forgotten. */
export const recallForgotten: PlantedInBroker = {
  wrapBroker: (broker) =>
    wrapMethod(broker, 'recall', (request, reply) => reply(request.recallHandle)),
};

/** Delayed messages wait a tenth of a second less than they should. */
export const tooEarly: PlantedInBroker = {
  wrapBroker: (broker) =>
    wrapMethod(broker, 'send', (request, reply) => {
      const drafts = request.drafts.map((draft) => {
        const dueMs = Number(findProperty(draft.properties, 'TIMER_DELIVER_MS') ?? Number.NaN);
        if (Number.isNaN(dueMs)) return draft;
        const sooner = new Map([['TIMER_DELIVER_MS', String(dueMs - 100)]]);
        return { ...draft, properties: withProperties(draft.properties, sooner) };
      });
      broker.send({ ...request, drafts }, reply);
    }),
};

/** Messages are deleted after a fifth of their time. */
export const deletedTooSoon: PlantedInBroker = { retentionMs: (retentionMs) => retentionMs / 5 };

/** The same of the store alone. */
export const expiredTooSoon: Planted = { retentionMs: (retentionMs) => retentionMs / 5 };

/** No topic is compacted. */
export const compactionForgotten: Planted = { isCompacted: () => false };

/** A message of a compacted topic is moved now and then, whether it is the newest of its key or not. */
export const oldMovesPastNew: Planted = {
  wrapStore: (store) => {
    let last: readonly MessageDraft[] = [];
    let count = 0;
    return wrapMethod(store, 'append', (drafts, reply) => {
      store.append(drafts, reply);
      count += 1;
      if (count % 8 === 0 && last.length > 0) store.append(last, () => {});
      else if (isKeyed(drafts)) last = drafts;
    });
  },
};

function isKeyed(drafts: readonly MessageDraft[]): boolean {
  return drafts.length === 1 && findProperty(drafts[0]!.properties, 'KEYS') !== undefined;
}

/** A group is not told which message goes before the others. */
export const priorityForgotten: PlantedInBroker = {
  wrapBroker: (broker) =>
    wrapMethod(broker, 'send', (request, reply) => {
      const drafts = request.drafts.map((draft) => {
        const none = withoutProperties(draft.properties, ['_SYS_MSG_PRIORITY_']);
        return none.length === draft.properties.length
          ? draft
          : { ...draft, properties: none, queueId: 0 };
      });
      broker.send({ ...request, drafts }, reply);
    }),
};

function popChanged(
  broker: BrokerApi,
  change: (popped: PoppedMessage) => PoppedMessage,
): BrokerApi['pop'] {
  return (request, reply) =>
    broker.pop(request, (result) => {
      if (result instanceof RmqError) return reply(result);
      reply({ ...result, messages: result.messages.map(change) });
    });
}

function popLess(broker: BrokerApi): BrokerApi['pop'] {
  return (request, reply) =>
    broker.pop(request, (result) => {
      if (result instanceof RmqError || result.messages.length < 3) return reply(result);
      const { receiptHandle } = result.messages.at(-1) as PoppedMessage; // three or more
      const { group, topic } = request;
      broker.ack({ group, topic, receiptHandles: [receiptHandle] }, () => {});
      reply({ ...result, messages: result.messages.slice(0, -1) });
    });
}

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
  return wrapMethod(files, 'open', async (path, options) => wrap(await files.open(path, options)));
}

/** A store of ours on the disk with a broker on it, filled through `BrokerApi` and closed again. */
import type { RmqError } from '../../src/protocol/errors.ts';
import type { QueueOffset } from '../../src/protocol/message/message.ts';
import type { PopResult, SendResult } from '../../src/server/broker/api.ts';
import { Broker } from '../../src/server/broker/broker.ts';
import { topicOf } from '../../src/server/broker/topics/topic-table.ts';
import { levelDatabaseFactory } from '../../src/server/store/index/level-database.ts';
import { LogStore } from '../../src/server/store/log-store.ts';
import type { Reply } from '../../src/util/reply.ts';
import { diskPorts } from './offline-store.ts';
import { localHost } from './plain-draft.ts';
import { draftOf } from './test-store.ts';

export class OwnStore {
  readonly broker: Broker;
  readonly store: LogStore;

  private constructor(store: LogStore, broker: Broker) {
    this.store = store;
    this.broker = broker;
  }

  static async open(
    dataDir: string,
    options: { readonly segmentSizeBytes?: number } = {},
  ): Promise<OwnStore> {
    const folder = `${dataDir}/broker`;
    const { files, clock, random, logger } = diskPorts;
    await files.makeFolder(folder);
    const store = new LogStore({
      files,
      clock,
      logger,
      openDatabase: await levelDatabaseFactory(`${folder}/index`),
      databaseFolder: `${folder}/index`,
      folder,
      flush: 'async',
      segmentSizeBytes: options.segmentSizeBytes ?? 64 << 10,
      retentionMs: Number.MAX_SAFE_INTEGER,
      minFreeBytes: 0,
      storeHost: localHost,
    });
    const settings = {
      clusterName: 'DefaultCluster',
      brokerName: 'broker-a',
      isAutoCreateTopicEnabled: false,
      isAutoCreateGroupEnabled: true,
      defaultTopicQueueCount: 4,
      delayMaxMs: 30 * 86_400_000,
    };
    const broker = new Broker({ store, clock, random, logger, storeHost: localHost, settings });
    await store.start();
    await broker.start();
    return new OwnStore(store, broker);
  }

  topic(topic: string, queueCount: number, type = 'NORMAL'): Promise<void> {
    return this.broker.putTopic(topicOf(topic, queueCount, undefined, { 'message.type': type }));
  }

  async send(
    topic: string,
    body: string,
    properties: Readonly<Record<string, string>> = {},
    queueId = 0,
  ): Promise<SendResult> {
    const drafts = [draftOf(topic, queueId, body, properties)];
    const request = { drafts, producerGroup: 'producers', createFrom: undefined };
    const [sent] = await asked<readonly SendResult[]>((reply) => this.broker.send(request, reply));
    return sent as SendResult; // one a draft
  }

  end(topic: string, half: SendResult, resolution: 'COMMIT' | 'ROLLBACK'): Promise<undefined> {
    const request = {
      topic,
      producerGroup: 'producers',
      transactionId: half.transactionId,
      half: undefined,
      resolution,
      isFromCheck: false,
    };
    return asked((reply) => this.broker.endTransaction(request, reply));
  }

  recall(topic: string, recallHandle: string): Promise<string> {
    const request = { topic, recallHandle, producerGroup: 'producers' };
    return asked((reply) => this.broker.recall(request, reply));
  }

  /** Waits for a first message; what is popped stays invisible for an hour. */
  pop(topic: string, group: string, maxCount: number): Promise<PopResult> {
    const request = {
      group,
      topic,
      queueId: -1,
      maxCount,
      invisibleTimeMs: 3_600_000,
      pollingTimeMs: 5_000,
      filter: { type: 'TAG', expression: '*' },
      startFrom: 'MIN',
      isOrdered: false,
      attemptId: undefined,
    } as const;
    return asked((reply) => void this.broker.pop(request, reply));
  }

  ack(topic: string, group: string, receiptHandles: readonly string[]): Promise<unknown> {
    return asked((reply) => this.broker.ack({ group, topic, receiptHandles }, reply));
  }

  commit(topic: string, group: string, queueId: number, offset: number): Promise<void> {
    return this.broker.putOffset(group, topic, queueId, offset as QueueOffset);
  }

  async close(): Promise<void> {
    this.broker.stop();
    await this.store.stop();
  }
}

function asked<T>(ask: (reply: Reply<T, RmqError>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    ask((answer) => {
      if (answer instanceof Error) reject(answer);
      else resolve(answer);
    });
  });
}

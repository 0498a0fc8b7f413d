import { expect, onTestFinished, test } from 'vitest';
import type {
  PhysicalOffset,
  QueueOffset,
  StoredMessage,
} from '../../../../../src/protocol/message/message.ts';
import { RequestCode, requestKinds } from '../../../../../src/protocol/remoting/codes.ts';
import { BrokerRemoting } from '../../../../../src/server/broker/remoting/broker-remoting.ts';
import { ClientRegistry } from '../../../../../src/server/broker/remoting/client-registry.ts';
import { RemotingChecker } from '../../../../../src/server/broker/remoting/transactions.ts';
import type { RemotingSession } from '../../../../../src/server/remoting/handler.ts';
import { silentLogger } from '../../../../../src/server/shared/logger.ts';
import { draft } from '../../../../contract/broker-api.ts';
import { clock, newClient, startBroker } from '../../../../support/remote-cluster.ts';

test('the table of codes says exactly what a broker serves', async () => {
  const { broker, stop } = await startBroker();
  onTestFinished(stop);
  const remoting = new BrokerRemoting({ broker, clock, logger: silentLogger, address: () => '' });
  const served = Object.values(requestKinds)
    .filter((kind) => (kind.served as string).includes('B'))
    .map((kind) => kind.code as number);
  const byNumber = (a: number, b: number): number => a - b;
  expect([...remoting.handlers().keys()].toSorted(byNumber)).toEqual(served.toSorted(byNumber));
});

test('what is not served, and what lacks a field, is answered clearly', async () => {
  const { address, stop } = await startBroker();
  const client = newClient();
  onTestFinished(async () => {
    await client.close();
    await stop();
  });
  const timeoutMs = 3_000;
  const unknown = await client.invoke(address, 4711, {}, undefined, { timeoutMs });
  expect(unknown).toMatchObject({ code: 3, remark: ' request type 4711 not supported' });
  const missing = await client.invoke(address, 310, { b: 'topic' }, undefined, { timeoutMs });
  expect(missing).toMatchObject({ code: 1, remark: 'header field a is missing' });
});

test('producers of a group are asked about a transaction in turn', () => {
  const asked: string[] = [];
  const clients = new ClientRegistry(clock, () => Promise.resolve(false));
  for (const [index, clientId] of ['a', 'b'].entries()) {
    const session: RemotingSession = {
      id: index,
      remote: { host: '127.0.0.1', port: 1 },
      local: { host: '127.0.0.1', port: 2 },
      push: (code, extFields, body) => {
        expect(code).toBe(RequestCode.CHECK_TRANSACTION_STATE);
        asked.push(
          `${clientId} ${extFields['transactionId']} ${Buffer.from(body ?? []).includes('half')}`,
        );
      },
      call: () => Promise.reject(new Error('nobody calls')),
      onClose: () => undefined,
      close: () => undefined,
    };
    clients.heartbeat(
      { session, language: 'JAVA', version: 493 },
      { clientId, producerGroups: ['p'], consumers: [], isWithoutSubscriptions: false },
    );
  }
  const checker = new RemotingChecker(clients);
  const message: StoredMessage = {
    ...draft('orders', 'half'),
    queueOffset: 0 as QueueOffset,
    physicalOffset: 128 as PhysicalOffset,
    storeTimestampMs: 1,
    storeHost: { address: Uint8Array.of(127, 0, 0, 1), port: 10_911 },
    storeSizeBytes: 100,
    bodyCrc: 0,
  };
  const check = {
    brokerName: 'broker-a',
    producerGroup: 'p',
    transactionId: 'k1',
    message,
    queueOffset: message.queueOffset,
    physicalOffset: message.physicalOffset,
  };
  for (const _ of [1, 2, 3]) expect(checker.check(check)).toBe(true);
  expect(asked).toEqual(['a k1 true', 'b k1 true', 'a k1 true']);
  expect(checker.check({ ...check, producerGroup: 'nobody' })).toBe(false);
});

/** Our proxy in front of a broker that, like Apache's, hands out messages that were retried too often. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { decodeRecords } from '../../../../src/client/admin-client.ts';
import { type RemotingAnswer, RemotingClient } from '../../../../src/client/remoting-client.ts';
import { startRmq } from '../../../../src/index.ts';
import { nodeClock } from '../../../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../../../src/platform/node-network.ts';
import { RmqError } from '../../../../src/protocol/errors.ts';
import { encodeStoredMessage } from '../../../../src/protocol/message/record.ts';
import { RequestCode } from '../../../../src/protocol/remoting/codes.ts';
import type { PopResult } from '../../../../src/server/broker/api.ts';
import { RemoteBroker } from '../../../../src/server/proxy/remote-broker.ts';

/** Says of all messages that they were retried `reconsumeTimes` times. */
class RetriedClient extends RemotingClient {
  reconsumeTimes = 0;

  override request(...args: Parameters<RemotingClient['request']>): void {
    const [address, code, fields, body, waitMs, reply] = args;
    super.request(address, code, fields, body, waitMs, (answer) => {
      const isPop = code === RequestCode.POP_MESSAGE && !(answer instanceof RmqError);
      reply(isPop ? this.#retried(answer) : answer);
    });
  }

  #retried(answer: RemotingAnswer): RemotingAnswer {
    const { reconsumeTimes } = this;
    const records = decodeRecords(answer.body).map((one) =>
      encodeStoredMessage({ ...one, reconsumeTimes }),
    );
    return { ...answer, body: Buffer.concat(records) };
  }
}

test('a message beyond the retries of its group becomes a dead letter and is not delivered', async () => {
  const rmq = await startRmq({ topics: { orders: { queues: 1 } } });
  onTestFinished(() => rmq.stop());
  const client = new RetriedClient({ network: nodeNetwork, clock: nodeClock });
  onTestFinished(() => client.close());
  const address = String(rmq.endpoints.broker);
  const broker = new RemoteBroker({ clusterName: '', brokerName: 'broker-a', address, client });
  await rmq.send('orders', { body: 'often' });
  const pop = (): Promise<PopResult | RmqError> =>
    new Promise((resolve) => {
      broker.pop(
        {
          group: 'billing',
          topic: 'orders',
          queueId: 0,
          maxCount: 8,
          invisibleTimeMs: 10_000,
          pollingTimeMs: 0,
          filter: { type: 'TAG', expression: '*' },
          startFrom: 'MIN',
          isOrdered: false,
          attemptId: undefined,
        },
        resolve,
      );
    });
  client.reconsumeTimes = 17;
  expect(await pop()).toMatchObject({ messages: [] });
  await vi.waitFor(async () => {
    const queues = await broker.topicQueues('%DLQ%billing');
    expect(queues.map(({ maxOffset }) => maxOffset)).toEqual([1]);
  });
  expect(await broker.getOffset('billing', 'orders', 0)).toBe(1);

  client.reconsumeTimes = 16;
  await rmq.send('orders', { body: 'the last attempt' });
  expect(await pop()).toMatchObject({ messages: [{ deliveryAttempt: 17 }] });
});

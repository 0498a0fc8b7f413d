import { expect, onTestFinished, test } from 'vitest';
import { requestKinds } from '../../../../../src/protocol/remoting/codes.ts';
import { BrokerRemoting } from '../../../../../src/server/broker/remoting/broker-remoting.ts';
import { silentLogger } from '../../../../../src/server/shared/logger.ts';
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

import { expect, onTestFinished, test, vi } from 'vitest';
import { entriesOf } from '../../../../src/protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../../../../src/protocol/remoting/bodies/lenient-json.ts';
import { RequestCode } from '../../../../src/protocol/remoting/codes.ts';
import { RemoteChecks } from '../../../../src/server/proxy/remote-checks.ts';
import { silentLogger } from '../../../../src/server/shared/logger.ts';
import { clock, newClient, startBroker } from '../../../support/remote-cluster.ts';

const soon = { timeout: 8_000 };

/** A proxy whose clients send to `topics`. */
function startProxy(address: string, topics: ReadonlySet<string>): RemoteChecks {
  const client = newClient();
  const checks = new RemoteChecks({ client, clock, logger: silentLogger });
  const checker = {
    producerGroups: () => topics,
    hasProducer: (group: string) => topics.has(group),
    check: () => true,
  };
  checks.watch(address, { brokerName: 'broker-a', checker });
  onTestFinished(async () => {
    checks.stop();
    await client.close();
  });
  return checks;
}

test('a broker is told of groups without producers, and keeps those of another proxy', async () => {
  const { address, stop } = await startBroker();
  onTestFinished(stop);
  const operator = newClient();
  onTestFinished(() => operator.close());
  const groupsOfBroker = async (): Promise<string[]> => {
    const code = RequestCode.GET_ALL_PRODUCER_INFO;
    const answer = await operator.invoke(address, code, {}, undefined, { timeoutMs: 5_000 });
    const { data } = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
    return entriesOf(data)
      .map(([group]) => group)
      .sort();
  };
  const topics = new Set(['orders', 'payments', 'refunds']);
  const checks = startProxy(address, topics);
  await vi.waitFor(async () => {
    expect(await groupsOfBroker()).toEqual(['orders', 'payments', 'refunds']);
  }, soon);
  startProxy(address, new Set(['payments', 'shipments']));
  await vi.waitFor(async () => expect(await groupsOfBroker()).toContain('shipments'), soon);

  topics.delete('orders');
  topics.delete('payments');
  checks.soon();
  await vi.waitFor(async () => {
    expect(await groupsOfBroker()).toEqual(['payments', 'refunds', 'shipments']);
  }, soon);
});

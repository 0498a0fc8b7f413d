import type { BrokerApi } from '../../src/server/broker/api.ts';
import { RemoteBroker } from '../../src/server/proxy/remote-broker.ts';
import { RemoteLite } from '../../src/server/proxy/remote-lite.ts';
import { newClient, startBroker } from '../support/remote-cluster.ts';
import { brokerApiSuite } from './broker-api.ts';
import { liteTests } from './lite.ts';

brokerApiSuite('Broker in the same process', () => startBroker(), [liteTests]);

brokerApiSuite('RemoteBroker over a socket', openRemote, [liteTests]);

async function openRemote(): Promise<{ readonly broker: BrokerApi; stop(): Promise<void> }> {
  const { address, stop } = await startBroker();
  const client = newClient();
  const broker = new RemoteBroker({
    clusterName: 'cluster',
    brokerName: 'broker-a',
    address,
    client,
    lite: new RemoteLite(client),
  });
  return {
    broker,
    stop: async () => {
      await client.close();
      await stop();
    },
  };
}

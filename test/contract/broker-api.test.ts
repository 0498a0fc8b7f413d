import { RemoteBroker } from '../../src/server/proxy/remote-broker.ts';
import { newClient, startBroker } from '../support/remote-cluster.ts';
import { brokerApiSuite } from './broker-api.ts';

brokerApiSuite('Broker in the same process', () => startBroker());

brokerApiSuite('RemoteBroker over a socket', async () => {
  const { address, stop } = await startBroker();
  const client = newClient();
  const broker = new RemoteBroker({
    clusterName: 'cluster',
    brokerName: 'broker-a',
    address,
    client,
  });
  return {
    broker,
    stop: async () => {
      await client.close();
      await stop();
    },
  };
});

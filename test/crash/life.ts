/** One life of a server under test, with the connections of its clients. */
import { once } from 'node:events';
import { RemotingClient } from '../../src/client/remoting-client.ts';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../src/platform/node-network.ts';
import { RemoteBroker } from '../../src/server/proxy/remote-broker.ts';
import { type ServerProcess, startProcess } from '../support/processes.ts';
import { GrpcSender } from './grpc-sender.ts';

export class Life {
  readonly server: ServerProcess;
  readonly broker: RemoteBroker;
  readonly grpc: GrpcSender;
  readonly #client: RemotingClient;

  private constructor(server: ServerProcess) {
    this.server = server;
    this.#client = new RemotingClient({ network: nodeNetwork, clock: nodeClock });
    this.grpc = new GrpcSender(String(server.ready.grpc));
    this.broker = new RemoteBroker({
      clusterName: 'DefaultCluster',
      brokerName: 'broker-a',
      address: String(server.ready.broker),
      client: this.#client,
    });
  }

  static async start(
    dataDir: string,
    flags: readonly string[],
    options: Parameters<typeof startProcess>[1] = {},
  ): Promise<Life> {
    return new Life(await startProcess(['--data', dataDir, ...flags], options));
  }

  async kill(): Promise<void> {
    const { child } = this.server;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await this.close();
  }

  /** In order. */
  async stop(): Promise<void> {
    await this.server.stop();
    await this.close();
  }

  async close(): Promise<void> {
    this.grpc.close();
    await this.#client.close();
  }
}

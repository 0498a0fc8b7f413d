/** gRPC calls of commands over this machine's network; apart from `connect.ts`, as few commands need HTTP/2. */
import { GrpcConnection } from '../../client/grpc-connection.ts';
import type { UnaryCall } from '../../client/proxy-client.ts';
import { formatHostPort } from '../../platform/host-port.ts';
import { nodeClock } from '../../platform/node-clock.ts';
import { nodeNetwork } from '../../platform/node-network.ts';
import { RmqError } from '../../protocol/errors.ts';

/** Unary calls, one connection a server; closed with the command. */
export function unaryCalls(timeoutMs: number): {
  readonly unary: UnaryCall;
  readonly close: () => void;
} {
  const connections = new Map<string, Promise<GrpcConnection>>();
  const unary: UnaryCall = async (address, path, message) => {
    const name = formatHostPort(address);
    let opening = connections.get(name);
    if (opening === undefined) {
      const options = { network: nodeNetwork, clock: nodeClock, metadata: {} };
      opening = GrpcConnection.open(address, options);
      connections.set(name, opening);
    }
    return call(await opening, { name, path, message, timeoutMs });
  };
  return {
    unary,
    close: () => {
      for (const opening of connections.values()) {
        opening.then(
          (connection) => connection.close(),
          () => {}, // whoever asked was told
        );
      }
    },
  };
}

/** @throws RmqError TIMEOUT, CONNECTION_LOST, NOT_SUPPORTED */
function call(
  connection: GrpcConnection,
  asked: {
    readonly name: string;
    readonly path: string;
    readonly message: Uint8Array;
    readonly timeoutMs: number;
  },
): Promise<Buffer> {
  const { name, path, message, timeoutMs } = asked;
  return new Promise((resolve, reject) => {
    const timer = nodeClock.setTimer(timeoutMs, () =>
      reject(new RmqError('TIMEOUT', `${name} did not answer within ${timeoutMs} ms`)),
    );
    connection.call(path, message, (answer) => {
      nodeClock.clearTimer(timer);
      if (answer instanceof RmqError) return reject(answer);
      const [first] = answer.messages;
      if (answer.status === 0 && first !== undefined) return resolve(first);
      const text = `${name} answers ${path} with status ${answer.status}: ${answer.detail}`;
      reject(new RmqError('NOT_SUPPORTED', text));
    });
  });
}

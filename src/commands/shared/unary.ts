/** gRPC calls of commands over this machine's network; apart from `connect.ts`, as few commands need HTTP/2. */
import type { UnaryCall } from '../../client/proxy-client.ts';
import { NodeUnary } from '../../platform/node-unary.ts';

/** Unary calls to proxies; closed with the command. */
export function unaryCalls(timeoutMs: number): {
  readonly unary: UnaryCall;
  readonly close: () => void;
} {
  const calls = new NodeUnary();
  return {
    unary: (address, path, message) => calls.call(address, path, message, { timeoutMs }),
    close: () => calls.close(),
  };
}

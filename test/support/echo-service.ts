/** A service that only shows what a transport does, for tests and benchmarks of transports. */
import type { Service } from '../../src/transport/grpc/call.ts';
import { GrpcStatus } from '../../src/transport/grpc/status.ts';

/** What the service saw of calls that never got an answer. */
export interface EchoLog {
  readonly cancelled: string[];
  readonly parked: Array<() => void>;
}

/** `test.Echo`: Echo, Repeat (one message to many), Chat (each message back), Park (never answers). */
export function echoService(log: EchoLog = { cancelled: [], parked: [] }): Service {
  return {
    name: 'test.Echo',
    methods: [
      { kind: 'unary', name: 'Echo', run: (_call, message, reply) => reply(message) },
      {
        kind: 'unary',
        name: 'Header',
        run: (call, message, reply) => {
          reply(Buffer.from(call.header(message.toString()) ?? 'none'));
        },
      },
      {
        kind: 'unary',
        name: 'Context',
        run: (call, _message, reply) => {
          const { peer, authority } = call;
          reply(Buffer.from(JSON.stringify({ peer, authority, remainingMs: call.remainingMs() })));
        },
      },
      {
        kind: 'unary',
        name: 'Park',
        run: (call, message, reply) => {
          call.onCancel(() => log.cancelled.push(message.toString()));
          log.parked.push(() => reply(message));
        },
      },
      {
        kind: 'unary',
        name: 'Throw',
        run: () => {
          throw new Error('thrown by the method');
        },
      },
      {
        kind: 'server-stream',
        name: 'Repeat',
        run: (_call, message, out) => {
          const count = message.readUInt32BE(0);
          const size = message.readUInt32BE(4);
          let sent = 0;
          const more = (): void => {
            while (sent < count) {
              sent += 1;
              if (!out.send(Buffer.alloc(size, sent))) return;
            }
            out.end();
          };
          out.onDrain(more);
          more();
        },
      },
      {
        kind: 'duplex',
        name: 'Chat',
        run: (_call, out) => {
          out.sendHeaders();
          return {
            onMessage: (message) => {
              if (message.toString() === 'fail') {
                out.fail(GrpcStatus.invalidArgument, 'asked to fail: 100 % ü');
              } else out.send(message);
            },
            onEnd: () => out.end(),
            onCancel: () => log.cancelled.push('chat'),
          };
        },
      },
    ],
  };
}

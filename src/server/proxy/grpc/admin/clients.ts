/** Clients and the proxy itself, for tools: PrintThreadStackTrace, GetConsumerRunningInfo and more. */

import { RmqError } from '../../../../protocol/errors.ts';
import {
  ClientType,
  decodeChangeLogLevelRequest,
  decodeGetConsumerRunningInfoRequest,
  decodeGetProxyRuntimeStatsRequest,
  decodePrintThreadStackTraceRequest,
  encodeChangeLogLevelResponse,
  encodeGetConsumerRunningInfoResponse,
  encodeGetProxyRuntimeStatsResponse,
  encodePrintThreadStackTraceResponse,
  Level,
  type StatusInit,
} from '../../../../protocol/grpc/generated/messages.ts';
import type { UnaryMethod } from '../../../../transport/grpc/call.ts';
import type { ClientAnswer } from '../../client-commands.ts';
import type { ServiceContext } from '../service-context.ts';
import { okStatus } from '../status.ts';
import { adminMethod } from './admin-method.ts';
import { isConsumer, subscriptionsOf } from './known-clients.ts';

export function clientMethods(context: ServiceContext): UnaryMethod[] {
  const { clients, clock, logger } = context;
  return [
    adminMethod(context, {
      name: 'PrintThreadStackTrace',
      decode: decodePrintThreadStackTraceRequest,
      encode: encodePrintThreadStackTraceResponse,
      run: async ({ clientId }) => {
        const { status, text } = await stackTrace(context, clientId);
        return { status: status ?? okStatus, threadStackTrace: text };
      },
    }),
    adminMethod(context, {
      name: 'GetConsumerRunningInfo',
      decode: decodeGetConsumerRunningInfoRequest,
      encode: encodeGetConsumerRunningInfoResponse,
      run: ({ clientId }) => {
        const client = clients.get(clientId);
        if (client === undefined || !isConsumer(client)) {
          throw new RmqError('CLIENT_NOT_FOUND', `consumer ${clientId} is not connected here`);
        }
        // What the proxy knows; clients over gRPC have no way to tell more.
        const properties = new Map([
          ['clientId', clientId],
          ['language', client.language],
          ['version', client.version],
          ['address', `${client.peer.host}:${client.peer.port}`],
          ['silentMs', String(Math.round(clock.monotonicMs() - client.lastSeenMs))],
        ]);
        const subscriptions = new Map(
          subscriptionsOf(client).map(
            ({ topic, expression }) => [topic, expression ?? {}] as const,
          ),
        );
        return { status: okStatus, consumerRunningInfo: { properties, subscriptions } };
      },
    }),
    adminMethod(context, {
      name: 'ChangeLogLevel',
      decode: decodeChangeLogLevelRequest,
      encode: (answer: { readonly remark: string } | { readonly status: StatusInit }) =>
        encodeChangeLogLevelResponse({
          remark: 'remark' in answer ? answer.remark : (answer.status.message ?? ''),
        }),
      run: ({ level }) => {
        const name = levelNames[level] ?? 'info';
        logger.setLevel(name);
        return { remark: `the log level is ${name}` };
      },
    }),
    adminMethod(context, {
      name: 'GetProxyRuntimeStats',
      decode: decodeGetProxyRuntimeStatsRequest,
      encode: encodeGetProxyRuntimeStatsResponse,
      run: () => {
        const all = [...clients.all()];
        const { inPerSecond, outPerSecond } = context.rates.read();
        return {
          status: okStatus,
          proxyName: context.self.name,
          version: context.version,
          inTps: inPerSecond,
          outTps: outPerSecond,
          connections: all.filter(({ sink }) => sink !== undefined).length,
          producers: all.filter(({ clientType }) => clientType === ClientType.PRODUCER).length,
          consumers: all.filter(isConsumer).length,
        };
      },
    }),
  ];
}

const levelNames: Readonly<Record<number, 'error' | 'warn' | 'info' | 'debug' | undefined>> = {
  [Level.TRACE]: 'debug',
  [Level.DEBUG]: 'debug',
  [Level.INFO]: 'info',
  [Level.WARN]: 'warn',
  [Level.ERROR]: 'error',
};

function stackTrace({ commands }: ServiceContext, clientId: string): Promise<ClientAnswer> {
  return new Promise((resolve, reject) => {
    commands.printThreadStackTrace(clientId, (answer) => {
      if (answer instanceof Error) reject(answer);
      else resolve(answer);
    });
  });
}

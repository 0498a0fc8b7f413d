/** Heartbeat and NotifyClientTermination; facts/grpc-v2.md 4.3. */
import {
  decodeHeartbeatRequest,
  decodeNotifyClientTerminationRequest,
  encodeHeartbeatResponse,
  encodeNotifyClientTerminationResponse,
} from '../../../protocol/grpc/generated/messages.ts';
import type { UnaryMethod } from '../../../transport/grpc/call.ts';
import { unaryMethod } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { okStatus } from './status.ts';

/** A client that is not known (its proxy was restarted) becomes known again. */
export function heartbeat({ clients, logger }: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'Heartbeat',
    decode: decodeHeartbeatRequest,
    encode: encodeHeartbeatResponse,
    logger,
    handle: ({ clientId, call }, request, reply) => {
      const client = clients.touch(clientId, call);
      if (request.clientType !== 0) client.clientType = request.clientType;
      const group = request.group?.name ?? '';
      if (group !== '') client.group = group;
      reply({ status: okStatus });
    },
  });
}

/** What the client still holds comes back to others soon; its stream stays open. */
export function notifyClientTermination({ clients, logger }: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'NotifyClientTermination',
    decode: decodeNotifyClientTerminationRequest,
    encode: encodeNotifyClientTerminationResponse,
    logger,
    handle: ({ clientId }, _request, reply) => {
      clients.remove(clientId);
      reply({ status: okStatus });
    },
  });
}

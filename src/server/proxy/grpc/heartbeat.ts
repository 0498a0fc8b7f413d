/**
 * Heartbeat and NotifyClientTermination: that a client lives, and that it goes. Clients unknown after a
 * restart are served (facts/grpc-v2.md 10.2: Go, Python and C# do not send their settings again).
 */
import {
  ClientType,
  Code,
  type HeartbeatRequest,
  type HeartbeatResponseInit,
  type NotifyClientTerminationRequest,
  type NotifyClientTerminationResponseInit,
} from '../../../protocol/grpc/generated/messages.ts';
import type { Reply } from '../../../util/reply.ts';
import type { ProxyContext } from './context.ts';
import type { Caller } from './rpc.ts';
import { okStatus, type RpcError, StatusError } from './status.ts';

export function heartbeat(
  context: ProxyContext,
  caller: Caller,
  request: HeartbeatRequest,
  reply: Reply<HeartbeatResponseInit, RpcError>,
): void {
  const client = context.clients.touch(caller.clientId, caller.call);
  const clientType = request.clientType === 0 ? client.clientType : request.clientType;
  if (clientType === 0 || clientType > ClientType.LITE_SIMPLE_CONSUMER) {
    reply(new StatusError(Code.UNRECOGNIZED_CLIENT_TYPE, `unknown client type ${clientType}`));
    return;
  }
  client.clientType = clientType;
  // Go names an empty group for producers.
  const group = request.group?.name ?? '';
  if (group !== '') client.group = group;
  reply({ status: okStatus });
}

export function notifyClientTermination(
  context: ProxyContext,
  caller: Caller,
  _request: NotifyClientTerminationRequest,
  reply: Reply<NotifyClientTerminationResponseInit, RpcError>,
): void {
  context.clients.remove(caller.clientId);
  reply({ status: okStatus });
}

/** SyncLiteSubscription: the lite topics that a client wants; facts/grpc-v2.md §12. */
import {
  Code,
  decodeSyncLiteSubscriptionRequest,
  encodeSyncLiteSubscriptionResponse,
  LiteSubscriptionAction,
  type OffsetOption,
  type SyncLiteSubscriptionRequest,
} from '../../../protocol/grpc/generated/messages.ts';
import type { UnaryMethod } from '../../../transport/grpc/call.ts';
import type { LiteStart, LiteSubscriptionRequest } from '../../broker/api.ts';
import { groupName, topicName } from './names.ts';
import { unaryMethod } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { okStatus, StatusError } from './status.ts';

/** `OffsetOption.Policy`; LAST, 0, is where the group was. */
const minPolicy = 1;
const maxPolicy = 2;
/** Names in one request: a client's quota may be raised this far. */
const liteTopicCountMax = 20_000;

export function syncLiteSubscription({ clients, lite, logger }: ServiceContext): UnaryMethod {
  return unaryMethod({
    name: 'SyncLiteSubscription',
    decode: decodeSyncLiteSubscriptionRequest,
    encode: encodeSyncLiteSubscriptionResponse,
    logger,
    handle: ({ clientId, call }, request: SyncLiteSubscriptionRequest, reply) => {
      clients.touch(clientId, call);
      if (request.liteTopicSet.length > liteTopicCountMax) {
        const text = `${request.liteTopicSet.length} lite topics at once, the limit is ${liteTopicCountMax}`;
        throw new StatusError(Code.LITE_SUBSCRIPTION_QUOTA_EXCEEDED, text);
      }
      const wanted: LiteSubscriptionRequest = {
        group: groupName(request.group),
        topic: topicName(request.topic),
        clientId,
        action: actionOf(request.action),
        liteTopics: request.liteTopicSet,
        startFrom: startOf(request.offsetOption),
      };
      lite.sync(wanted, (error) => reply(error ?? { status: okStatus }));
    },
  });
}

/** @throws StatusError BAD_REQUEST */
function actionOf(action: number): LiteSubscriptionRequest['action'] {
  switch (action) {
    case LiteSubscriptionAction.PARTIAL_ADD:
      return 'PARTIAL_ADD';
    case LiteSubscriptionAction.PARTIAL_REMOVE:
      return 'PARTIAL_REMOVE';
    case LiteSubscriptionAction.COMPLETE_ADD:
      return 'COMPLETE_ADD';
    case LiteSubscriptionAction.COMPLETE_REMOVE:
      return 'COMPLETE_REMOVE';
    default:
      throw new StatusError(Code.BAD_REQUEST, `lite subscription action ${action} is not known`);
  }
}

function startOf(option: OffsetOption | undefined): LiteStart | undefined {
  if (option === undefined) return undefined;
  const { policy, offset, tailN, timestamp } = option;
  if (policy === minPolicy) return { type: 'MIN' };
  if (policy === maxPolicy) return { type: 'MAX' };
  if (offset !== undefined) return { type: 'OFFSET', offset };
  if (tailN !== undefined) return { type: 'TAIL', count: Math.max(0, tailN) };
  if (timestamp !== undefined) return { type: 'TIME', timestampMs: timestamp };
  return undefined;
}

/**
 * The method table of `apache.rocketmq.v2.MessagingService`.
 */

import type { Service } from '../../../transport/grpc/call.ts';
import { ackMessage } from './ack-message.ts';
import { changeInvisibleDuration } from './change-invisible-duration.ts';
import { endTransaction } from './end-transaction.ts';
import { forwardToDeadLetters } from './forward-to-dead-letters.ts';
import { heartbeat, notifyClientTermination } from './heartbeat.ts';
import { getOffset, queryOffset, updateOffset } from './offsets.ts';
import { pullMessage } from './pull-message.ts';
import { queryAssignment } from './query-assignment.ts';
import { queryRoute } from './query-route.ts';
import { recallMessage } from './recall-message.ts';
import { receiveMessage } from './receive-message.ts';
import { sendMessage } from './send-message.ts';
import type { ServiceContext } from './service-context.ts';
import { syncLiteSubscription } from './sync-lite-subscription.ts';
import { telemetry } from './telemetry.ts';

export function messagingService(context: ServiceContext): Service {
  return {
    name: 'apache.rocketmq.v2.MessagingService',
    methods: [
      queryRoute(context),
      heartbeat(context),
      sendMessage(context),
      queryAssignment(context),
      receiveMessage(context),
      ackMessage(context),
      forwardToDeadLetters(context),
      endTransaction(context),
      recallMessage(context),
      telemetry(context),
      notifyClientTermination(context),
      changeInvisibleDuration(context),
      pullMessage(context),
      updateOffset(context),
      getOffset(context),
      queryOffset(context),
      syncLiteSubscription(context),
    ],
  };
}

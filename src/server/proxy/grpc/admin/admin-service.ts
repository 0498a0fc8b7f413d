/** The method table of `apache.rocketmq.v2.Admin`, for operators' tools; facts/grpc-v2.md 1.4. */
import type { Service } from '../../../../transport/grpc/call.ts';
import type { ServiceContext } from '../service-context.ts';
import { clientMethods } from './clients.ts';
import { groupMethods } from './groups.ts';
import { messageMethods } from './messages.ts';
import { subscriptionMethods } from './subscriptions.ts';
import { topicMethods } from './topics.ts';

export function adminService(context: ServiceContext): Service {
  return {
    name: 'apache.rocketmq.v2.Admin',
    methods: [
      ...topicMethods(context),
      ...groupMethods(context),
      ...subscriptionMethods(context),
      ...messageMethods(context),
      ...clientMethods(context),
    ],
  };
}

/** The method table of `apache.rocketmq.v2.Admin`, for operators' tools; facts/grpc-v2.md 1.4. */
import type { Service } from '../../../../transport/grpc/call.ts';
import type { Siblings } from '../../siblings.ts';
import type { ServiceContext } from '../service-context.ts';
import { clientMethods } from './clients.ts';
import { gathered } from './gathered.ts';
import { groupMethods } from './groups.ts';
import { messageMethods } from './messages.ts';
import { subscriptionMethods } from './subscriptions.ts';
import { topicMethods } from './topics.ts';

/** With `siblings`, workers of the same proxy, it answers for all of them. */
export function adminService(context: ServiceContext, siblings: Siblings | undefined): Service {
  const methods = [
    ...topicMethods(context),
    ...groupMethods(context),
    ...subscriptionMethods(context),
    ...messageMethods(context),
    ...clientMethods(context),
  ];
  return {
    name: 'apache.rocketmq.v2.Admin',
    methods: siblings === undefined ? methods : gathered(methods, siblings),
  };
}

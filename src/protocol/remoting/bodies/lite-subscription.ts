/**
 * Body of LITE_SUBSCRIPTION_CTL (200071), Apache's LiteSubscriptionCtlRequestBody:
 *   {"subscriptionSet":[{"action":"PARTIAL_ADD","clientId":…,"group":…,"topic":…,"liteTopicSet":[…],
 *     "offsetOption":{"type":"POLICY|OFFSET|TAIL_N|TIMESTAMP","value":…},"version":…}]}
 * Policies: 0 where the group was, 1 the oldest, 2 behind the newest.
 */
import { RmqError } from '../../errors.ts';
import { entriesOf, jsonBody, listOf, parseJsonObject } from './json.ts';

export const liteActions = [
  'PARTIAL_ADD',
  'PARTIAL_REMOVE',
  'COMPLETE_ADD',
  'COMPLETE_REMOVE',
] as const;

export interface LiteOffsetOption {
  readonly type: string;
  readonly value: number;
}

export interface LiteSubscriptionBody {
  readonly action: (typeof liteActions)[number];
  readonly clientId: string;
  readonly group: string;
  readonly topic: string;
  readonly liteTopics: readonly string[];
  readonly offsetOption: LiteOffsetOption | undefined;
}

export function encodeLiteSubscription(body: LiteSubscriptionBody): Buffer {
  const { liteTopics: liteTopicSet, ...rest } = body;
  return jsonBody({ subscriptionSet: [{ ...rest, liteTopicSet, version: 0 }] });
}

/** @throws RmqError BAD_REQUEST */
export function parseLiteSubscriptions(body: Uint8Array): LiteSubscriptionBody[] {
  return listOf(parseJsonObject(body), 'subscriptionSet').map((value) => {
    const entry = Object.fromEntries(entriesOf(value));
    const action = liteActions.find((one) => one === entry['action']);
    if (action === undefined) {
      const shown = JSON.stringify(entry['action'])?.slice(0, 40);
      throw new RmqError('BAD_REQUEST', `lite subscription action ${shown} is not known`);
    }
    const option = entriesOf(entry['offsetOption']);
    const { type, value: at } = Object.fromEntries(option);
    return {
      action,
      clientId: String(entry['clientId'] ?? ''),
      group: String(entry['group'] ?? ''),
      topic: String(entry['topic'] ?? ''),
      liteTopics: listOf(entry, 'liteTopicSet').map(String),
      offsetOption: option.length === 0 ? undefined : { type: String(type), value: Number(at) },
    };
  });
}

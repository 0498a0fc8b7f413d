/** Lite topics of brokers of other processes: what `RemoteBroker` says of them, and what it is told. */
import type { RemotingClient } from '../../client/remoting-client.ts';
import {
  encodeLiteSubscription,
  type LiteOffsetOption,
} from '../../protocol/remoting/bodies/lite-subscription.ts';
import { RequestCode } from '../../protocol/remoting/codes.ts';
import type { ExtFields } from '../../protocol/remoting/command.ts';
import { popLiteHeader, unsubscribeLiteHeader } from '../../protocol/remoting/headers/lite.ts';
import type {
  Cancel,
  LiteStart,
  LiteSubscriptionRequest,
  LiteUnsubscribed,
  PopRequest,
} from '../broker/api.ts';

type Listener = (gone: LiteUnsubscribed) => void;

/** Hears of subscriptions that ended, from all brokers that the client is connected to. */
export class RemoteLite {
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor(client: RemotingClient) {
    client.onRequest(RequestCode.NOTIFY_UNSUBSCRIBE_LITE, (command, address) => {
      const header = unsubscribeLiteHeader.decode(command.extFields);
      // Which topic it was under the broker does not say; the client has one.
      for (const listener of this.#listeners.get(address) ?? []) listener({ ...header, topic: '' });
      return undefined;
    });
  }

  listen(address: string, listener: Listener): Cancel {
    let listeners = this.#listeners.get(address);
    if (listeners === undefined) this.#listeners.set(address, (listeners = new Set()));
    const heard = listeners;
    heard.add(listener);
    return () => {
      heard.delete(listener);
      if (heard.size === 0) this.#listeners.delete(address);
    };
  }
}

export function encodeLitePop(
  request: PopRequest,
  clientId: string,
  brokerName: string,
): ExtFields {
  const { group, topic, maxCount, invisibleTimeMs, pollingTimeMs, attemptId } = request;
  return popLiteHeader.encode({
    clientId,
    group,
    topic,
    maxCount,
    invisibleTimeMs,
    pollingTimeMs,
    bornTimeMs: 0, // the broker's now: clocks differ
    attemptId,
    brokerName,
  });
}

export function encodeLiteSync(request: LiteSubscriptionRequest): Buffer {
  const { startFrom, ...rest } = request;
  return encodeLiteSubscription({ ...rest, offsetOption: optionOf(startFrom) });
}

function optionOf(start: LiteStart | undefined): LiteOffsetOption | undefined {
  switch (start?.type) {
    case undefined:
      return undefined;
    case 'MIN':
      return { type: 'POLICY', value: 1 };
    case 'MAX':
      return { type: 'POLICY', value: 2 };
    case 'OFFSET':
      return { type: 'OFFSET', value: start.offset };
    case 'TAIL':
      return { type: 'TAIL_N', value: start.count };
    case 'TIME':
      return { type: 'TIMESTAMP', value: start.timestampMs };
  }
}

/**
 * Lite topics for proxies of other processes: POP_LITE_MESSAGE (200070), LITE_SUBSCRIPTION_CTL (200071) and,
 * to the proxy that spoke for the client last, NOTIFY_UNSUBSCRIBE_LITE (200073).
 */
import { RmqError } from '../../../protocol/errors.ts';
import {
  type LiteOffsetOption,
  parseLiteSubscriptions,
} from '../../../protocol/remoting/bodies/lite-subscription.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import { popLiteHeader, unsubscribeLiteHeader } from '../../../protocol/remoting/headers/lite.ts';
import { PopInitMode } from '../../../protocol/remoting/headers/pop.ts';
import type { Answer, RemotingRequest, RemotingSession } from '../../remoting/handler.ts';
import type { Cancel, LiteStart, LiteUnsubscribed } from '../api.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { popAs } from './pop.ts';

/** Through which connection a client was heard of last. */
export class LiteSessions {
  readonly #byClient = new Map<string, RemotingSession>();
  readonly #ofSession = new WeakMap<RemotingSession, Set<string>>();

  set(group: string, clientId: string, session: RemotingSession): void {
    const key = `${group}\n${clientId}`;
    this.#byClient.set(key, session);
    const known = this.#ofSession.get(session);
    if (known !== undefined) {
      known.add(key);
      return;
    }
    const keys = new Set([key]);
    this.#ofSession.set(session, keys);
    session.onClose(() => {
      for (const one of keys) if (this.#byClient.get(one) === session) this.#byClient.delete(one);
    });
  }

  delete(group: string, clientId: string): void {
    const key = `${group}\n${clientId}`;
    const session = this.#byClient.get(key);
    this.#byClient.delete(key);
    if (session !== undefined) this.#ofSession.get(session)?.delete(key);
  }

  tell({ group, clientId, liteTopic }: LiteUnsubscribed): void {
    const session = this.#byClient.get(`${group}\n${clientId}`);
    const fields = unsubscribeLiteHeader.encode({ clientId, group, liteTopic });
    session?.push(RequestCode.NOTIFY_UNSUBSCRIBE_LITE, fields);
  }
}

/** Passes on what the broker says of subscriptions that ended, until the cancel. */
export function tellOfLite({ broker, lite }: RemotingContext): Cancel {
  return broker.onLiteUnsubscribed((gone) => lite.tell(gone));
}

export function liteHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.POP_LITE_MESSAGE, (request, answer) => pop(context, request, answer)],
    [RequestCode.LITE_SUBSCRIPTION_CTL, (request, answer) => sync(context, request, answer)],
  ];
}

function pop(context: RemotingContext, request: RemotingRequest, answer: Answer): void {
  const { clientId, ...header } = popLiteHeader.decode(request.extFields);
  const whole = {
    ...header,
    queueId: -1,
    initMode: PopInitMode.min,
    filterType: 'TAG',
    filterExpression: '*',
    isOrdered: false,
  };
  popAs(context, request, whole, clientId, answer);
}

function sync(context: RemotingContext, request: RemotingRequest, answer: Answer): void {
  const subscriptions = parseLiteSubscriptions(request.body);
  let leftCount = subscriptions.length;
  let failure: RmqError | undefined;
  if (leftCount === 0) answer(new RmqError('BAD_REQUEST', 'the request holds no subscription'));
  for (const { offsetOption, ...one } of subscriptions) {
    const startFrom = startOf(offsetOption);
    context.broker.syncLiteSubscription({ ...one, startFrom }, (error) => {
      failure ??= error;
      if (one.action === 'COMPLETE_REMOVE') context.lite.delete(one.group, one.clientId);
      else if (error === undefined) context.lite.set(one.group, one.clientId, request.session);
      if (--leftCount === 0) answer(failure ?? {});
    });
  }
}

function startOf(option: LiteOffsetOption | undefined): LiteStart | undefined {
  if (option === undefined || !Number.isSafeInteger(option.value)) return undefined;
  const { type, value } = option;
  if (type === 'POLICY' && value === 1) return { type: 'MIN' };
  if (type === 'POLICY' && value === 2) return { type: 'MAX' };
  if (type === 'OFFSET') return { type: 'OFFSET', offset: value };
  if (type === 'TAIL_N') return { type: 'TAIL', count: Math.max(0, value) };
  return type === 'TIMESTAMP' ? { type: 'TIME', timestampMs: value } : undefined;
}

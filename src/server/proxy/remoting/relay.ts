/**
 * The proxy's Remoting port, for 4.x clients that come in through a proxy: routes name the proxy in place
 * of the brokers, and everything else goes on to the brokers as it came, by the broker's name in the
 * request (facts/remoting.md §7.2). What is about a client itself goes to all brokers, as it would
 * without a proxy.
 */
import type { NameServerClient } from '../../../client/nameserver-client.ts';
import type { Clock } from '../../../platform/clock.ts';
import { formatHostPort } from '../../../platform/host-port.ts';
import type { Network } from '../../../platform/network.ts';
import { asRmqError, RmqError } from '../../../protocol/errors.ts';
import {
  entriesOf,
  jsonBody,
  listOf,
  parseJsonObject,
} from '../../../protocol/remoting/bodies/json.ts';
import { RequestCode, ResponseCode, requestKinds } from '../../../protocol/remoting/codes.ts';
import type { RemotingAnswer } from '../../../transport/remoting-connection.ts';
import type {
  AnswerParts,
  HandlerTable,
  RemotingRequest,
  RemotingSession,
  RequestHandler,
} from '../../remoting/handler.ts';
import { ClientRelay, type Forwarded } from './client-relay.ts';

/** How long a broker may take beyond what the client asked it to wait. */
const answerTimeoutMs = 10_000;
const waitMaxMs = 300_000;
/** A list of brokers is asked for again after this. */
const brokersAgeMaxMs = 2_000;

const toAll: ReadonlySet<number> = new Set([
  RequestCode.HEART_BEAT,
  RequestCode.UNREGISTER_CLIENT,
  RequestCode.CHECK_CLIENT_CONFIG,
]);
/** Every broker knows all clients, so one can answer. */
const toAny: ReadonlySet<number> = new Set([
  RequestCode.GET_CONSUMER_LIST_BY_GROUP,
  RequestCode.GET_CONSUMER_CONNECTION_LIST,
  RequestCode.QUERY_ASSIGNMENT,
]);

export interface RelayParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly nameservers: NameServerClient;
}

export class RemotingRelay {
  readonly #parts: RelayParts;
  readonly #clients = new WeakMap<RemotingSession, ClientRelay>();
  #brokers: Promise<ReadonlyMap<string, string>> | undefined = undefined;
  #brokersAtMs = 0;

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  handlers(): HandlerTable {
    const table = new Map<number, RequestHandler>();
    for (const { code, served } of Object.values(requestKinds)) {
      if (!(served as string).includes('P') || code > 200_069) continue;
      table.set(code, async (request, answer) => answer(await this.#serve(request)));
    }
    return table;
  }

  async #serve(request: RemotingRequest): Promise<AnswerParts> {
    const forwarded = toForwarded(request); // before the first await: the body is a view until then
    switch (request.code) {
      case RequestCode.GET_ROUTEINFO_BY_TOPIC:
        return this.#route(request);
      case RequestCode.LOCK_BATCH_MQ:
      case RequestCode.UNLOCK_BATCH_MQ:
        return this.#locks(request, forwarded);
      case RequestCode.QUERY_MESSAGE:
        return this.#query(request, forwarded);
      default:
    }
    const brokers = await this.#knownBrokers();
    if (toAll.has(request.code)) return this.#askAll(request, forwarded, [...brokers.values()]);
    if (toAny.has(request.code)) return this.#askAny(request, forwarded, [...brokers.values()]);
    const address = await this.#addressFor(request, brokers);
    if (address === undefined) throw noBroker();
    return this.#forward(request, forwarded, address);
  }

  /** The route with this proxy, as the client reached it, in the place of every broker. */
  async #route(request: RemotingRequest): Promise<AnswerParts> {
    const { nameservers } = this.#parts;
    const extFields = { ...request.extFields, acceptStandardJsonOnly: 'true' };
    const answer = await nameservers.ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, extFields);
    if (answer.code !== 0) return toParts(answer);
    const json = parseJsonObject(answer.body);
    const here = formatHostPort(request.session.local);
    const brokerDatas = listOf(json, 'brokerDatas').map((broker) => ({
      ...Object.fromEntries(entriesOf(broker)),
      brokerAddrs: { 0: here },
    }));
    return { body: jsonBody({ ...json, brokerDatas }) };
  }

  async #forward(
    request: RemotingRequest,
    forwarded: Forwarded,
    address: string,
  ): Promise<AnswerParts> {
    const relay = this.#relayOf(request.session);
    if (!request.isOneway) return toParts(await relay.ask(address, forwarded));
    await relay.tell(address, forwarded);
    return {};
  }

  /** Of the first that can be reached. @throws RmqError of the last when none can */
  async #askAny(
    request: RemotingRequest,
    forwarded: Forwarded,
    addresses: readonly string[],
  ): Promise<AnswerParts> {
    let failure = noBroker();
    for (const address of addresses) {
      try {
        return await this.#forward(request, forwarded, address);
      } catch (error) {
        failure = asRmqError(error);
      }
    }
    throw failure;
  }

  /**
   * The first answer that is none of success, else one of them. A broker that is gone must not keep the
   * client from the others. @throws RmqError when none can be reached
   */
  async #askAll(
    request: RemotingRequest,
    forwarded: Forwarded,
    addresses: readonly string[],
  ): Promise<AnswerParts> {
    const asked = await Promise.allSettled(
      addresses.map((address) => this.#forward(request, forwarded, address)),
    );
    const answers = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const [first] = asked;
    if (answers.length === 0 && first?.status === 'rejected') throw asRmqError(first.reason);
    return answers.find(({ code = 0 }) => code !== 0) ?? answers[0] ?? {};
  }

  /** Each broker locks its own queues. */
  async #locks(request: RemotingRequest, forwarded: Forwarded): Promise<AnswerParts> {
    const brokers = await this.#knownBrokers();
    const json = parseJsonObject(forwarded.body);
    const byBroker = Map.groupBy(listOf(json, 'mqSet'), (queue) =>
      String(new Map(entriesOf(queue)).get('brokerName')),
    );
    const locked: unknown[] = [];
    for (const [name, mqSet] of byBroker) {
      const address = brokers.get(name);
      if (address === undefined) continue; // its queues cannot be locked now
      const part = { ...forwarded, body: jsonBody({ ...json, mqSet }) };
      const { body } = await this.#forward(request, part, address);
      if (body instanceof Uint8Array) {
        locked.push(...listOf(parseJsonObject(body), 'lockOKMQSet'));
      }
    }
    return request.code === RequestCode.LOCK_BATCH_MQ
      ? { body: jsonBody({ lockOKMQSet: locked }) }
      : {};
  }

  /** Any broker of the topic may have it. */
  async #query(request: RemotingRequest, forwarded: Forwarded): Promise<AnswerParts> {
    const brokers = await this.#knownBrokers();
    const route = await this.#parts.nameservers.route(request.extFields['topic'] ?? '');
    let first: AnswerParts | undefined;
    let failure: RmqError | undefined;
    const bodies: Uint8Array[] = [];
    for (const { brokerName } of route?.queues ?? []) {
      const address = brokers.get(brokerName);
      if (address === undefined) continue;
      try {
        const answer = await this.#forward(request, forwarded, address);
        if ((answer.code ?? 0) === 0 && answer.body instanceof Uint8Array) {
          first = answer;
          bodies.push(answer.body);
        } else first ??= answer;
      } catch (error) {
        failure = asRmqError(error);
      }
    }
    // One that could not be asked may be the one that has it.
    if (bodies.length === 0 && failure !== undefined) throw failure;
    const none = { code: ResponseCode.QUERY_NOT_FOUND, remark: 'no broker has such a message' };
    return bodies.length === 0 ? (first ?? none) : { ...first, body: bodies };
  }

  async #addressFor(
    request: RemotingRequest,
    brokers: ReadonlyMap<string, string>,
  ): Promise<string | undefined> {
    const { extFields } = request;
    const named = extFields['bname'] ?? extFields['n'] ?? extFields['brokerName'];
    if (named !== undefined && named !== '') {
      const address = brokers.get(named);
      if (address !== undefined) return address;
      throw new RmqError('BROKER_NOT_FOUND', `no live broker ${named}`);
    }
    if (brokers.size === 1) return [...brokers.values()][0];
    // Old clients name no broker: where a topic is on one broker only, there is no doubt.
    const topic = extFields['topic'] ?? extFields['b'] ?? extFields['originTopic'] ?? '';
    const queues = (await this.#parts.nameservers.route(topic))?.queues ?? [];
    const [only, ...others] = queues;
    if (only !== undefined && others.length === 0) return brokers.get(only.brokerName);
    throw new RmqError(
      'BAD_REQUEST',
      'the request names no broker (field bname), as 5.x clients do',
    );
  }

  /** Addresses of the masters, by name. */
  #knownBrokers(): Promise<ReadonlyMap<string, string>> {
    const nowMs = this.#parts.clock.monotonicMs();
    if (this.#brokers === undefined || nowMs - this.#brokersAtMs > brokersAgeMaxMs) {
      this.#brokersAtMs = nowMs;
      this.#brokers = this.#parts.nameservers.brokers().then((brokers) => {
        const masters = brokers.flatMap(({ brokerName, addresses }) => {
          const address = addresses.get(0);
          return address === undefined ? [] : [[brokerName, address] as const];
        });
        return new Map(masters);
      });
      this.#brokers.catch(() => (this.#brokers = undefined)); // asked again by the next request
    }
    return this.#brokers;
  }

  #relayOf(session: RemotingSession): ClientRelay {
    let relay = this.#clients.get(session);
    if (relay === undefined) {
      relay = new ClientRelay(session, this.#parts);
      this.#clients.set(session, relay);
    }
    return relay;
  }
}

function noBroker(): RmqError {
  return new RmqError('BROKER_NOT_FOUND', 'no broker is registered that could answer');
}

function toForwarded({ code, extFields, body }: RemotingRequest): Forwarded {
  const asked = Number(extFields['suspendTimeoutMillis'] ?? extFields['pollTime'] ?? 0);
  const waitMs = asked > 0 ? Math.min(asked, waitMaxMs) : 0;
  return { code, extFields, body: Buffer.from(body), timeoutMs: waitMs + answerTimeoutMs };
}

function toParts({ code, remark, extFields, body }: RemotingAnswer): AnswerParts {
  return { code, extFields, body, ...(remark === undefined ? {} : { remark }) };
}

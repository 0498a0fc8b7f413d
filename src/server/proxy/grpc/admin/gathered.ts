/**
 * The Admin service of a proxy with several workers: what one of them answers, and what its siblings
 * answered to the same question, as one answer. Only methods about clients and the process itself need that.
 */
import {
  Code,
  decodeDeleteSubscriptionRequest,
  decodeDescribeGroupAccumulationResponse,
  decodeDescribeSubscriptionResponse,
  decodeGetConsumerRunningInfoResponse,
  decodeGetProxyRuntimeStatsResponse,
  decodeListConsumerConnectionResponse,
  decodePrintThreadStackTraceResponse,
  decodeVerifyMessageResponse,
  encodeDeleteSubscriptionResponse,
  encodeDescribeGroupAccumulationResponse,
  encodeDescribeSubscriptionRequest,
  encodeDescribeSubscriptionResponse,
  encodeGetProxyRuntimeStatsResponse,
  encodeListConsumerConnectionResponse,
  encodeListSubscriptionResponse,
  type StatusInit,
} from '../../../../protocol/grpc/generated/messages.ts';
import type { Call, UnaryMethod } from '../../../../transport/grpc/call.ts';
import type { Siblings } from '../../siblings.ts';
import { sumOf } from './groups.ts';
import { consistent } from './subscriptions.ts';

/** Makes one answer of several, at least one; the first is this worker's own. */
type Merge = (answers: readonly Uint8Array[]) => Uint8Array;

/** Own methods behind whose answers stand those of all workers; and whoever asks here gets the own ones. */
export function gathered(methods: readonly UnaryMethod[], siblings: Siblings): UnaryMethod[] {
  const own = new Map(methods.map((method) => [method.name, method]));
  const ask = (name: string, message: Uint8Array): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      const method = own.get(name);
      if (method === undefined) return reject(new Error(`no method ${name}`));
      method.run(nobody, Buffer.from(message), resolve);
    });
  const askAll = async (name: string, message: Uint8Array): Promise<readonly Uint8Array[]> => {
    const [mine, others] = await Promise.all([ask(name, message), siblings.ask(name, message)]);
    return [mine, ...others];
  };
  siblings.onAsked(ask);
  return methods.map((method) => {
    const { name } = method;
    const answer = (message: Uint8Array): Promise<Uint8Array> | undefined => {
      if (name === 'DeleteSubscription') return deleteSubscription(message, ask, askAll);
      // It has to know all subscriptions to tell whether they agree.
      if (name === 'ListSubscription') return askAll('DescribeSubscription', message).then(listed);
      const merge = merges[name];
      return merge === undefined ? undefined : askAll(name, message).then(merge);
    };
    return {
      kind: 'unary',
      name,
      run: (call, message, reply) => {
        const answered = answer(message);
        if (answered === undefined) method.run(call, message, reply);
        else void answered.then(reply);
      },
    };
  });
}

/** Methods of the Admin service do not look at who calls. */
const nobody: Call = {
  header: () => undefined,
  remainingMs: () => Number.POSITIVE_INFINITY,
  peer: { host: '', port: 0 },
  authority: '',
  onCancel: () => undefined,
};

const merges: Readonly<Record<string, Merge | undefined>> = {
  PrintThreadStackTrace: whoKnows(decodePrintThreadStackTraceResponse),
  GetConsumerRunningInfo: whoKnows(decodeGetConsumerRunningInfoResponse),
  VerifyMessage: whoKnows(decodeVerifyMessageResponse),
  ChangeLogLevel: ([first]) => first as Uint8Array, // at least one
  DescribeSubscription: (answers) => {
    const decoded = answers.map(decodeDescribeSubscriptionResponse);
    const clientSubscriptionInfo = decoded.flatMap((one) => one.clientSubscriptionInfo);
    const status = statusOfAll(decoded);
    return encodeDescribeSubscriptionResponse({ status, clientSubscriptionInfo });
  },
  ListConsumerConnection: (answers) => {
    const decoded = answers.map(decodeListConsumerConnectionResponse);
    const clientInfo = decoded.flatMap((one) => one.clientInfo);
    return encodeListConsumerConnectionResponse({ status: statusOfAll(decoded), clientInfo });
  },
  DescribeGroupAccumulation: (answers) => {
    const decoded = answers.map(decodeDescribeGroupAccumulationResponse);
    const topicAccumulation = new Map(decoded.flatMap((one) => [...one.topicAccumulation]));
    return encodeDescribeGroupAccumulationResponse({
      status: statusOfAll(decoded),
      accumulation: sumOf([...topicAccumulation.values()]),
      topicAccumulation,
    });
  },
  GetProxyRuntimeStats: (answers) => {
    const decoded = answers.map(decodeGetProxyRuntimeStatsResponse);
    const [first] = decoded;
    const sum = (pick: (one: (typeof decoded)[number]) => number): number =>
      decoded.reduce((total, one) => total + pick(one), 0);
    return encodeGetProxyRuntimeStatsResponse({
      status: statusOfAll(decoded),
      proxyName: first?.proxyName,
      version: first?.version,
      inTps: sum((one) => one.inTps),
      outTps: sum((one) => one.outTps),
      connections: sum((one) => one.connections),
      producers: sum((one) => one.producers),
      consumers: sum((one) => one.consumers),
    });
  },
};

interface WithStatus {
  readonly status: StatusInit | undefined;
}

/** The first that is not OK. */
function statusOfAll(answers: readonly WithStatus[]): StatusInit | undefined {
  return (answers.find(({ status }) => status?.code !== Code.OK) ?? answers[0])?.status;
}

/** The answer of the one to whom the client is connected; "not found" when it is none. */
function whoKnows(decode: (bytes: Uint8Array) => WithStatus): Merge {
  return (answers) => {
    const known = answers.find((one) => decode(one).status?.code !== Code.NOT_FOUND);
    return known ?? (answers[0] as Uint8Array); // at least one
  };
}

function listed(answers: readonly Uint8Array[]): Uint8Array {
  const decoded = answers.map(decodeDescribeSubscriptionResponse);
  const subscriptionInfo = consistent(decoded.flatMap((one) => one.clientSubscriptionInfo));
  return encodeListSubscriptionResponse({ status: statusOfAll(decoded), subscriptionInfo });
}

/** Once no worker has a client that would bring the subscription back. */
async function deleteSubscription(
  message: Uint8Array,
  ask: (name: string, message: Uint8Array) => Promise<Uint8Array>,
  askAll: (name: string, message: Uint8Array) => Promise<readonly Uint8Array[]>,
): Promise<Uint8Array> {
  const { group, topic } = decodeDeleteSubscriptionRequest(message);
  const question = encodeDescribeSubscriptionRequest({ group, topic });
  for (const bytes of await askAll('DescribeSubscription', question)) {
    const { clientSubscriptionInfo } = decodeDescribeSubscriptionResponse(bytes);
    if (!clientSubscriptionInfo.some((one) => one.subscriptionInfo?.online)) continue;
    const text = `consumers of group ${group?.name} subscribe to ${topic?.name} now`;
    const status = { code: Code.PRECONDITION_FAILED, message: text };
    return encodeDeleteSubscriptionResponse({ status });
  }
  return ask('DeleteSubscription', message);
}

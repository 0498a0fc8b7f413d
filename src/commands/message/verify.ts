/** `rmq message verify`: has one connected consumer run its listener on a message. */
import type { AdminClient } from '../../client/admin-client.ts';
import { groupConnections } from '../../client/group-client.ts';
import {
  type ConsumeTry,
  consumeDirectly,
  type FoundMessage,
} from '../../client/message-client.ts';
import { type ProxyPlace, proxyVerify } from '../../client/proxy-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import { encodeOffsetMessageId } from '../../protocol/message/message-id.ts';
import type { Command } from '../shared/command.ts';
import type { Context } from '../shared/context.ts';
import { consumersOfProxies, withProxies } from '../shared/proxies.ts';
import { locate, topicAndMessage } from './locate.ts';

interface Options {
  readonly topic: string;
  readonly message: string;
  readonly group: string;
  readonly client?: string;
}

interface VerifiedRow {
  readonly group: string;
  readonly clientId: string;
  readonly isConsumed: boolean;
  /** `CR_SUCCESS`, `CR_LATER`, `CR_ROLLBACK`, `CR_COMMIT`, `CR_THROW_EXCEPTION`, `CR_RETURN_NULL`. */
  readonly result: string;
  readonly remark: string | undefined;
  readonly durationMs: number;
}

export const messageVerify: Command<Options, VerifiedRow> = {
  summary: 'Let a connected consumer consume one message now, to see what it says',
  impact: 'change',
  isRemote: true,
  arguments: [
    ...topicAndMessage,
    { name: 'group', description: 'group of the consumer', isRequired: true },
  ],
  flags: [
    {
      name: 'client',
      kind: { type: 'text', placeholder: 'ID' },
      description: 'which consumer of the group',
      shownDefault: 'the only one',
    },
  ],
  columns: [
    { title: 'CLIENT', value: (row) => row.clientId, style: () => 'name' },
    {
      title: 'RESULT',
      value: (row) => row.result,
      style: (row) => (row.isConsumed ? 'good' : 'bad'),
    },
    { title: 'TOOK', value: (row) => `${row.durationMs} ms` },
    { title: 'REMARK', value: (row) => row.remark },
  ],
  examples: [
    ['rmq message verify orders 0@1200 billing', 'by the only consumer of the group'],
    ['rmq message verify orders 0@1200 billing --client 10.0.0.9@1', 'by this one'],
  ],
  verdict(result) {
    const row = Array.isArray(result) ? undefined : (result as VerifiedRow); // run returns one
    if (row === undefined || row.isConsumed) return undefined;
    return new RmqError('PARTIAL', `the consumer answered ${row.result}: ${row.remark ?? ''}`);
  },
  async run(context, options) {
    const { topic, group } = options;
    const admin = await context.connect();
    const { clientId, proxy } = await memberOf(context, admin, options);
    const found = await locate(admin, topic, options.message);
    const { result, remark, durationMs } =
      proxy === undefined
        ? await consumeDirectly(admin, found, { group, clientId })
        : await consumeOverGrpc(context, admin, found, { group, clientId, proxy });
    const isConsumed = result === 'CR_SUCCESS' || result === 'CR_COMMIT';
    return { group, clientId, isConsumed, result, remark, durationMs };
  },
};

interface Member {
  readonly clientId: string;
  /** Of consumers over gRPC. */
  readonly proxy: ProxyPlace | undefined;
}

/** @throws RmqError CLIENT_NOT_FOUND, USAGE */
async function memberOf(
  context: Context,
  admin: AdminClient,
  { group, client }: Options,
): Promise<Member> {
  const { members } = await groupConnections(admin, group);
  const overGrpc = (await consumersOfProxies(context, admin, [group])).get(group) ?? [];
  const byId = new Map<string, Member>([
    ...members.map(({ clientId }) => [clientId, { clientId, proxy: undefined }] as const),
    ...overGrpc.map((one) => [one.clientId, { clientId: one.clientId, proxy: one }] as const),
  ]);
  const [only] = byId.values();
  if (client !== undefined) {
    const named = byId.get(client);
    if (named !== undefined) return named;
    throw new RmqError('CLIENT_NOT_FOUND', `${client} does not consume with group ${group}`, {
      hint: `see who does: rmq group members ${group}`,
    });
  }
  if (only === undefined) {
    throw new RmqError('CLIENT_NOT_FOUND', `nobody consumes with group ${group} now`);
  }
  if (byId.size === 1) return only;
  const names = [...byId.keys()].join(', ');
  throw new RmqError('USAGE', `${byId.size} consumers use group ${group}: ${names}`, {
    hint: `name one: --client ${only.clientId}`,
  });
}

/** The answer in the words of Remoting. */
async function consumeOverGrpc(
  context: Context,
  admin: AdminClient,
  { message }: FoundMessage,
  consumer: { readonly group: string; readonly clientId: string; readonly proxy: ProxyPlace },
): Promise<ConsumeTry> {
  const { group, clientId, proxy } = consumer;
  const messageId = encodeOffsetMessageId(message.storeHost, message.physicalOffset);
  const startMs = context.clock.monotonicMs();
  const remark = await withProxies(context, admin, (_proxies, unary) =>
    proxyVerify(unary, proxy, { group, clientId, topic: message.topic, messageId }),
  );
  const durationMs = Math.round(context.clock.monotonicMs() - startMs);
  return { result: remark === undefined ? 'CR_SUCCESS' : 'CR_LATER', remark, durationMs };
}

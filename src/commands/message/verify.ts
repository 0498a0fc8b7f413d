/** `rmq message verify`: has one connected consumer run its listener on a message. */
import type { AdminClient } from '../../client/admin-client.ts';
import { groupConnections } from '../../client/group-client.ts';
import { consumeDirectly } from '../../client/message-client.ts';
import { RmqError } from '../../protocol/errors.ts';
import type { Command } from '../shared/command.ts';
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
    const clientId = await memberOf(admin, options);
    const found = await locate(admin, topic, options.message);
    const { result, remark, durationMs } = await consumeDirectly(admin, found, { group, clientId });
    const isConsumed = result === 'CR_SUCCESS' || result === 'CR_COMMIT';
    return { group, clientId, isConsumed, result, remark, durationMs };
  },
};

/** @throws RmqError CLIENT_NOT_FOUND, USAGE */
async function memberOf(admin: AdminClient, { group, client }: Options): Promise<string> {
  const { members } = await groupConnections(admin, group);
  const ids = [...new Set(members.map(({ clientId }) => clientId))];
  const [only] = ids;
  if (client !== undefined) {
    if (ids.includes(client)) return client;
    throw new RmqError('CLIENT_NOT_FOUND', `${client} does not consume with group ${group}`, {
      hint: `see who does: rmq group members ${group}`,
    });
  }
  if (only === undefined) {
    throw new RmqError('CLIENT_NOT_FOUND', `nobody consumes with group ${group} now`);
  }
  if (ids.length === 1) return only;
  throw new RmqError('USAGE', `${ids.length} consumers use group ${group}: ${ids.join(', ')}`, {
    hint: `name one: --client ${only}`,
  });
}

/** `rmq nameserver list` */
import { formatHostPort } from '../../platform/host-port.ts';
import { entriesOf } from '../../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../../protocol/remoting/bodies/lenient-json.ts';
import { RequestCode } from '../../protocol/remoting/codes.ts';
import type { Command } from '../shared/command.ts';

interface NameServerRow {
  readonly address: string;
  readonly isAlive: boolean;
  /** How long its answer took. */
  readonly answerMs: number | undefined;
  /** Brokers that are registered there. */
  readonly brokerCount: number | undefined;
  /** Why it does not answer. */
  readonly error: string | undefined;
}

export const nameserverList: Command<object, NameServerRow> = {
  summary: 'List the NameServers that were asked for, with whether they answer',
  impact: 'read',
  isRemote: true,
  flags: [],
  columns: [
    { title: 'ADDRESS', value: (row) => row.address, style: () => 'name' },
    {
      title: 'STATE',
      value: (row) => (row.isAlive ? 'up' : 'no answer'),
      style: (row) => (row.isAlive ? 'good' : 'bad'),
    },
    { title: 'BROKERS', align: 'right', value: (row) => row.brokerCount },
    {
      title: 'ANSWER',
      align: 'right',
      value: ({ answerMs }) => (answerMs === undefined ? undefined : `${answerMs.toFixed(1)} ms`),
    },
    { title: 'ERROR', value: (row) => row.error },
  ],
  examples: [
    ['rmq nameserver list', 'the one of this machine'],
    ["rmq nameserver list --namesrv '10.0.0.1:9876;10.0.0.2:9876'", 'two, side by side'],
  ],
  async run(context) {
    const admin = await context.connect();
    return Promise.all(
      context.namesrv.addresses.map(async (asked): Promise<NameServerRow> => {
        const address = formatHostPort(asked);
        const startMs = context.clock.monotonicMs();
        try {
          const answer = await admin.call(address, RequestCode.GET_BROKER_CLUSTER_INFO, {});
          const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
          const brokerCount = entriesOf(json['brokerAddrTable']).length;
          const answerMs = context.clock.monotonicMs() - startMs;
          return { address, isAlive: true, answerMs, brokerCount, error: undefined };
        } catch (thrown) {
          const error = thrown instanceof Error ? thrown.message : String(thrown);
          return { address, isAlive: false, answerMs: undefined, brokerCount: undefined, error };
        }
      }),
    );
  },
};

/** What fails in a mixed cluster by the fault of Apache's servers, and why. */
import type { Failure } from './kits.ts';

interface Known {
  /** The cells where it happens; a dot stands for either maker. */
  readonly cells: RegExp;
  readonly kits: RegExp;
  readonly scenario: RegExp;
  readonly why: string;
}

/** Gaps of the Remoting port of Apache's proxy. */
const relayGaps: readonly (readonly [RegExp, string])[] = [
  [/^RemotingConsume\.badSqlIsRefused$/, 'that port accepts every client configuration'],
  [/^RemotingConsume\.(popMode|serverSideRebalance)$/, 'no query of assignments'],
  [
    /^RemotingConsume\.(deadLetter|retryThenSuccess|retryPassesTheTagFilter)$/,
    'no route for a retry topic',
  ],
  [
    /^RemotingSend\.missingTopicIsCreated$/,
    'its check of types refuses a topic that is not there yet',
  ],
  [/^RemotingSend\.messageTrace$/, "only the consumer's half arrives"],
  [
    /^RemotingTransaction\.(committed|rolledBack)$/,
    'the end of a transaction does not reach the broker',
  ],
  [
    /^(RemotingQuery\.(byKey|byUniqKey|offsetsOfAQueue)|RemotingRequest\.(reply|replyToCallback))$/,
    'it does not serve the request',
  ],
  [/^RemotingSend\.rocketmqSerializeType$/, 'it holds scenarios of this list'],
];

const known: readonly Known[] = relayGaps.map(([scenario, why]) => ({
  cells: /^..a$/,
  kits: /^java-proxy$/,
  scenario,
  why: `the Remoting port of Apache's proxy: ${why}`,
}));

/** @returns why it fails, when that is Apache's doing */
export function explanation(cell: string, kit: string, { scenario }: Failure): string | undefined {
  return known.find(
    (entry) => entry.cells.test(cell) && entry.kits.test(kit) && entry.scenario.test(scenario),
  )?.why;
}

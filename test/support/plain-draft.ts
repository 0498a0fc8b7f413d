/** A message that nothing is special about. */
import type { MessageDraft, RecordHost } from '../../src/protocol/message/message.ts';

export const localHost: RecordHost = { address: Buffer.from([127, 0, 0, 1]), port: 10_911 };

export function plainDraft(given: {
  readonly topic: string;
  readonly queueId?: number;
  readonly sysFlag?: number;
  readonly bornTimestampMs?: number;
  readonly bornHost?: RecordHost;
  readonly body: Uint8Array;
  readonly properties: Uint8Array;
}): MessageDraft {
  const { topic, queueId = 0, sysFlag = 0, bornTimestampMs = 1_700_000_000_000 } = given;
  return {
    topic,
    queueId,
    flag: 0,
    sysFlag,
    bornTimestampMs,
    bornHost: given.bornHost ?? localHost,
    reconsumeTimes: 0,
    preparedTransactionOffset: 0,
    body: given.body,
    properties: given.properties,
  };
}

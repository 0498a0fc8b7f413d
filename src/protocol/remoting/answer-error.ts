/**
 * Errors of answers as ours again: the reverse of the table in `errors.ts`. Several of our errors share
 * a response code, so our servers add the name as ext field `rmqError`; Apache's servers do not.
 */

import type { ErrorCode } from '../errors.ts';
import { errorKinds, RmqError } from '../errors.ts';
import { ResponseCode } from './codes.ts';
import type { ExtFields } from './command.ts';

export const errorNameField = 'rmqError';

const byCode: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [ResponseCode.SYSTEM_ERROR, 'INTERNAL'],
  [ResponseCode.SYSTEM_BUSY, 'BUSY'],
  [ResponseCode.REQUEST_CODE_NOT_SUPPORTED, 'NOT_SUPPORTED'],
  [ResponseCode.MESSAGE_ILLEGAL, 'MESSAGE_ILLEGAL'],
  [ResponseCode.SERVICE_NOT_AVAILABLE, 'SHUTTING_DOWN'],
  [ResponseCode.NO_PERMISSION, 'NO_PERMISSION'],
  [ResponseCode.TOPIC_NOT_EXIST, 'TOPIC_NOT_FOUND'],
  [ResponseCode.TOPIC_EXIST_ALREADY, 'TOPIC_EXISTS'],
  [ResponseCode.QUERY_NOT_FOUND, 'OFFSET_NOT_FOUND'],
  [ResponseCode.SUBSCRIPTION_PARSE_FAILED, 'ILLEGAL_FILTER'],
  [ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, 'GROUP_NOT_FOUND'],
  [ResponseCode.INVALID_PARAMETER, 'BAD_REQUEST'],
  [ResponseCode.CONSUMER_NOT_ONLINE, 'CLIENT_NOT_FOUND'],
  [ResponseCode.CONSUME_MSG_TIMEOUT, 'TIMEOUT'],
  [ResponseCode.NO_MESSAGE, 'INVALID_RECEIPT_HANDLE'],
  [ResponseCode.POLLING_FULL, 'POLLING_FULL'],
  [ResponseCode.POLLING_TIMEOUT, 'POLLING_TIMEOUT'],
  [ResponseCode.FLOW_CONTROL, 'BUSY'],
  [ResponseCode.ILLEGAL_OPERATION, 'ILLEGAL_OPERATION'],
  [ResponseCode.GO_AWAY, 'SHUTTING_DOWN'],
]);

/** The error that an answer (not SUCCESS) stands for; its remark is the message. */
export function answerError(answer: {
  readonly code: number;
  readonly remark: string | undefined;
  readonly extFields: ExtFields;
}): RmqError {
  const name = answer.extFields[errorNameField];
  const remark = answer.remark ?? `answered with code ${answer.code}`;
  if (name !== undefined && Object.hasOwn(errorKinds, name)) {
    return new RmqError(name as ErrorCode, remark); // a key of the table, by the line above
  }
  const code = byCode.get(answer.code) ?? 'INTERNAL';
  return new RmqError(code, byCode.has(answer.code) ? remark : `code ${answer.code}: ${remark}`);
}

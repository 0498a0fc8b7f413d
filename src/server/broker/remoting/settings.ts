/**
 * A broker's settings by Apache's names: 26 shows them, 25 changes those that can change while it runs.
 * A change holds until the broker stops; for good it belongs into the settings that it is started with.
 */
import { RmqError } from '../../../protocol/errors.ts';
import { parsePropertyLines } from '../../../protocol/remoting/bodies/property-lines.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import type { AnswerParts, RemotingRequest } from '../../remoting/handler.ts';
import type { Handlers, RemotingContext } from './context.ts';
import { answering } from './context.ts';

export interface BrokerSetting {
  readonly name: string;
  get(): string | number | boolean;
  /** Checks a new value; what it returns puts it in force. Undefined: it cannot change. */
  readonly prepare?: (text: string) => () => void;
}

export function settingHandlers(context: RemotingContext): Handlers {
  return [
    [RequestCode.GET_BROKER_CONFIG, answering(() => show(context))],
    [RequestCode.UPDATE_BROKER_CONFIG, answering((request) => update(context, request))],
  ];
}

function show(context: RemotingContext): AnswerParts {
  const { broker } = context;
  const address = context.address();
  const split = address.lastIndexOf(':');
  const lines = [
    `brokerClusterName=${broker.clusterName}`,
    `brokerName=${broker.brokerName}`,
    `brokerIP1=${address.slice(0, split)}`,
    `listenPort=${address.slice(split + 1)}`,
    `brokerPermission=${broker.permission}`,
    ...context.settings.map((setting) => `${setting.name}=${setting.get()}`),
  ];
  return {
    extFields: { version: JSON.stringify(broker.dataVersion) },
    body: Buffer.from(`${lines.join('\n')}\n`, 'utf8'),
  };
}

/** All lines or none. */
function update(context: RemotingContext, request: RemotingRequest): AnswerParts {
  const wanted = parsePropertyLines(request.body);
  const byName = new Map(context.settings.map((setting) => [setting.name, setting]));
  for (const [name] of wanted) {
    if (byName.get(name)?.prepare !== undefined) continue;
    const changeable = context.settings.flatMap((one) =>
      one.prepare === undefined ? [] : [one.name],
    );
    throw new RmqError(
      'ILLEGAL_CONFIG',
      `${name} cannot change while the broker runs; these can: ${changeable.join(', ')}`,
    );
  }
  const changes = wanted.map(([name, value]) => byName.get(name)?.prepare?.(value));
  for (const change of changes) change?.();
  for (const [name, value] of wanted) {
    context.logger.info('a setting was changed', { name, value });
  }
  return {};
}

/** @throws RmqError ILLEGAL_CONFIG */
export function toBoolean(name: string, text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new RmqError('ILLEGAL_CONFIG', `${name} is ${JSON.stringify(text)}, not true or false`);
}

/** @throws RmqError ILLEGAL_CONFIG */
export function toCount(name: string, text: string, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= max) return value;
  throw new RmqError('ILLEGAL_CONFIG', `${name} is ${JSON.stringify(text)}, not 1 to ${max}`);
}

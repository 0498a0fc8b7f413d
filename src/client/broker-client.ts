/** What commands ask and change of brokers and NameServers themselves. */
import { RmqError } from '../protocol/errors.ts';
import { entriesOf } from '../protocol/remoting/bodies/json.ts';
import { parseLenientJson } from '../protocol/remoting/bodies/lenient-json.ts';
import { parsePropertyLines } from '../protocol/remoting/bodies/property-lines.ts';
import { textMap } from '../protocol/remoting/bodies/topic-config.ts';
import { RequestCode } from '../protocol/remoting/codes.ts';
import type { AdminClient } from './admin-client.ts';

export type Settings = readonly (readonly [name: string, value: string])[];

/** How a broker fares, by Apache's names; facts/broker.md §22. */
export async function runtimeInfo(
  admin: AdminClient,
  address: string,
): Promise<Readonly<Record<string, string>>> {
  const answer = await admin.call(address, RequestCode.GET_BROKER_RUNTIME_INFO, {});
  const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
  return textMap(json['table']);
}

export async function brokerSettings(admin: AdminClient, address: string): Promise<Settings> {
  const answer = await admin.call(address, RequestCode.GET_BROKER_CONFIG, {});
  return parsePropertyLines(answer.body);
}

export async function nameserverSettings(admin: AdminClient, address: string): Promise<Settings> {
  const answer = await admin.call(address, RequestCode.GET_NAMESRV_CONFIG, {});
  return parsePropertyLines(answer.body);
}

/** @throws RmqError ILLEGAL_CONFIG … when it cannot change while the server runs. */
export async function changeSetting(
  admin: AdminClient,
  server: { readonly role: 'broker' | 'nameserver'; readonly address: string },
  name: string,
  value: string,
): Promise<void> {
  if (/[\r\n=]/.test(name) || /[\r\n]/.test(value)) {
    throw new RmqError('USAGE', 'a setting is one line, NAME without =');
  }
  const isBroker = server.role === 'broker';
  const code = isBroker ? RequestCode.UPDATE_BROKER_CONFIG : RequestCode.UPDATE_NAMESRV_CONFIG;
  await admin.call(server.address, code, {}, Buffer.from(`${name}=${value}\n`, 'utf8'));
}

/** Whether routes name the broker to producers. @returns how many NameServers took it. */
export function setWritable(
  admin: AdminClient,
  brokerName: string,
  isWritable: boolean,
): Promise<number> {
  const code = isWritable
    ? RequestCode.ADD_WRITE_PERM_OF_BROKER
    : RequestCode.WIPE_WRITE_PERM_OF_BROKER;
  return admin.nameserver.tellAll(code, { brokerName });
}

/** Bit of a topic's permission; facts/store.md §9. */
const writePermission = 2;

/** Whether producers are sent to the broker. Every broker has a topic of its own name. */
export async function isDrained(admin: AdminClient, brokerName: string): Promise<boolean> {
  const route = await admin.nameserver.route(brokerName);
  const queues = route?.queues.find((one) => one.brokerName === brokerName);
  return queues !== undefined && (queues.permission & writePermission) === 0;
}

/** Entries of a namespace of the NameServers' key-value table; empty when there is none. */
export async function kvList(admin: AdminClient, namespace: string): Promise<Settings> {
  const code = RequestCode.GET_KVLIST_BY_NAMESPACE;
  const answer = await admin.nameserver.ask(code, { namespace });
  if (answer.code !== 0) return []; // QUERY_NOT_FOUND: no such namespace
  const json = Object.fromEntries(entriesOf(parseLenientJson(answer.body)));
  return Object.entries(textMap(json['table']));
}

/** undefined deletes it. @returns how many NameServers took it. */
export function kvPut(
  admin: AdminClient,
  namespace: string,
  key: string,
  value: string | undefined,
): Promise<number> {
  return value === undefined
    ? admin.nameserver.tellAll(RequestCode.DELETE_KV_CONFIG, { namespace, key })
    : admin.nameserver.tellAll(RequestCode.PUT_KV_CONFIG, { namespace, key, value });
}

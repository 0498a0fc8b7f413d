/** Answers of a NameServer as JSON, exactly as Apache writes them; facts/remoting.md 3.4, 3.5. */
import type { BrokerData, RouteTable } from './route-table.ts';

/** Clients of this version on want integer keys in quotes. */
export const quotedKeysVersion = 401;

function addresses(broker: BrokerData, isQuoted: boolean): string {
  const mark = isQuoted ? '"' : '';
  const pairs = [...broker.brokerAddrs].sort(([a], [b]) => a - b);
  return `{${pairs.map(([id, address]) => `${mark}${id}${mark}:${JSON.stringify(address)}`).join(',')}}`;
}

function brokerData(broker: BrokerData, isQuoted: boolean): string {
  return `{"brokerAddrs":${addresses(broker, isQuoted)},"brokerName":${JSON.stringify(broker.brokerName)},"cluster":${JSON.stringify(broker.cluster)},"enableActingMaster":${broker.isActingMasterEnabled}}`;
}

/** Body of GET_ROUTEINFO_BY_TOPIC; undefined when there is no route. */
export function topicRouteJson(
  table: RouteTable,
  topic: string,
  options: { readonly isQuoted: boolean },
): string | undefined {
  const queues = table.queues(topic);
  if (queues === undefined) return undefined;
  const sorted = [...queues.values()].sort((a, b) => (a.brokerName < b.brokerName ? -1 : 1));
  const brokers = sorted.flatMap((queue) => table.broker(queue.brokerName) ?? []);
  if (brokers.length === 0) return undefined;
  const brokerDatas = brokers.map((broker) => brokerData(broker, options.isQuoted)).join(',');
  const queueDatas = sorted.map((queue) =>
    JSON.stringify({
      brokerName: queue.brokerName,
      perm: queue.perm,
      readQueueNums: queue.readQueueNums,
      topicSysFlag: queue.topicSysFlag,
      writeQueueNums: queue.writeQueueNums,
    }),
  );
  return `{"brokerDatas":[${brokerDatas}],"filterServerTable":{},"queueDatas":[${queueDatas.join(',')}]}`;
}

/** Body of GET_BROKER_CLUSTER_INFO; integer keys are bare whatever the version. */
export function clusterInfoJson(table: RouteTable): string {
  const clusters = new Map<string, string[]>();
  const rows: string[] = [];
  for (const broker of table.brokers()) {
    rows.push(`${JSON.stringify(broker.brokerName)}:${brokerData(broker, false)}`);
    const names = clusters.get(broker.cluster) ?? [];
    names.push(broker.brokerName);
    clusters.set(broker.cluster, names);
  }
  const clusterTable = JSON.stringify(Object.fromEntries(clusters));
  return `{"brokerAddrTable":{${rows.join(',')}},"clusterAddrTable":${clusterTable}}`;
}

/** Body of GET_BROKER_MEMBER_GROUP. */
export function memberGroupJson(
  broker: BrokerData | undefined,
  clusterName: string,
  brokerName: string,
): string {
  const known = broker === undefined ? '{}' : addresses(broker, false);
  return `{"brokerMemberGroup":{"brokerAddrs":${known},"brokerName":${JSON.stringify(brokerName)},"cluster":${JSON.stringify(clusterName)}}}`;
}

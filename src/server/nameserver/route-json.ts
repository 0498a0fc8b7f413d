/** Answers of a NameServer as JSON, exactly as Apache writes them; facts/remoting.md 3.4, 3.5. */
import { type AddressView, plainView } from './address-views.ts';
import type { BrokerData, RouteTable } from './route-table.ts';

/** Clients of this version on want integer keys in quotes. */
export const quotedKeysVersion = 401;

function addresses(broker: BrokerData, isQuoted: boolean, view: AddressView): string {
  const mark = isQuoted ? '"' : '';
  const pairs = [...broker.brokerAddrs].sort(([a], [b]) => a - b);
  const told = (address: string): string => JSON.stringify(view.get(address) ?? address);
  return `{${pairs.map(([id, address]) => `${mark}${id}${mark}:${told(address)}`).join(',')}}`;
}

function brokerData(broker: BrokerData, isQuoted: boolean, view: AddressView): string {
  return `{"brokerAddrs":${addresses(broker, isQuoted, view)},"brokerName":${JSON.stringify(broker.brokerName)},"cluster":${JSON.stringify(broker.cluster)},"enableActingMaster":${broker.isActingMasterEnabled}}`;
}

/** Body of GET_ROUTEINFO_BY_TOPIC; undefined when there is no route. */
export function topicRouteJson(
  table: RouteTable,
  topic: string,
  options: {
    readonly isQuoted: boolean;
    /** A broker without a master shows its lowest id as the master. */
    readonly isActingMasterShown: boolean;
    readonly orderConfig: string | undefined;
    readonly view: AddressView;
  },
): string | undefined {
  const queues = table.queues(topic);
  if (queues === undefined) return undefined;
  const sorted = [...queues.values()].sort((a, b) => (a.brokerName < b.brokerName ? -1 : 1));
  const brokers = sorted.flatMap((queue) => table.broker(queue.brokerName) ?? []);
  if (brokers.length === 0) return undefined;
  const shown = options.isActingMasterShown ? brokers.map(withActingMaster) : brokers;
  const brokerDatas = shown
    .map((broker) => brokerData(broker, options.isQuoted, options.view))
    .join(',');
  const queueDatas = sorted.map((queue) =>
    JSON.stringify({
      brokerName: queue.brokerName,
      perm: queue.perm,
      readQueueNums: queue.readQueueNums,
      topicSysFlag: queue.topicSysFlag,
      writeQueueNums: queue.writeQueueNums,
    }),
  );
  const order =
    options.orderConfig === undefined
      ? ''
      : `"orderTopicConf":${JSON.stringify(options.orderConfig)},`;
  return `{"brokerDatas":[${brokerDatas}],"filterServerTable":{},${order}"queueDatas":[${queueDatas.join(',')}]}`;
}

function withActingMaster(broker: BrokerData): BrokerData {
  if (!broker.isActingMasterEnabled || broker.brokerAddrs.has(0)) return broker;
  const lowest = Math.min(...broker.brokerAddrs.keys());
  const brokerAddrs = new Map(
    [...broker.brokerAddrs].map(([id, address]) => [id === lowest ? 0 : id, address] as const),
  );
  return { ...broker, brokerAddrs };
}

/** Body of GET_BROKER_CLUSTER_INFO; integer keys are bare whatever the version. */
export function clusterInfoJson(table: RouteTable, view: AddressView): string {
  const clusters = new Map<string, string[]>();
  const rows: string[] = [];
  for (const broker of table.brokers()) {
    rows.push(`${JSON.stringify(broker.brokerName)}:${brokerData(broker, false, view)}`);
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
  const known = broker === undefined ? '{}' : addresses(broker, false, plainView);
  return `{"brokerMemberGroup":{"brokerAddrs":${known},"brokerName":${JSON.stringify(brokerName)},"cluster":${JSON.stringify(clusterName)}}}`;
}

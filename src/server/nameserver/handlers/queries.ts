/** Requests of clients and tools: routes, lists, permissions, KV; facts/remoting.md 3.4, 3.5. */
import { RmqError } from '../../../protocol/errors.ts';
import { jsonBody, listOf, parseJsonObject } from '../../../protocol/remoting/bodies/json.ts';
import { numberOr } from '../../../protocol/remoting/bodies/topic-config.ts';
import { RequestCode } from '../../../protocol/remoting/codes.ts';
import type { AnswerParts, RequestHandler } from '../../remoting/handler.ts';
import { type AddressView, AddressViews } from '../address-views.ts';
import { type KvConfig, orderConfigNamespace } from '../kv-config.ts';
import { clusterInfoJson, quotedKeysVersion, topicRouteJson } from '../route-json.ts';
import type { RouteTable } from '../route-table.ts';
import type { NameServerSettings } from '../settings.ts';

type Request = Parameters<RequestHandler>[0];

const systemErrorCode = 1;
const topicNotExistCode = 17;
const queryNotFoundCode = 22;
const faqLine = 'See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.';

export interface QueryParts {
  readonly table: RouteTable;
  readonly kv: KvConfig;
  readonly settings: NameServerSettings;
  /** What GET_NAMESRV_CONFIG shows and nobody can change. */
  readonly shown: () => Readonly<Record<string, string | number>>;
  /** False: routes may be incomplete, and the settings say to wait. */
  readonly isReady: () => boolean;
}

export function queryHandlers(parts: QueryParts): [number, RequestHandler][] {
  const { table, kv, settings } = parts;
  const views = new AddressViews(table);
  const routes = new RouteCache(parts, views);
  const names = (list: readonly string[]): AnswerParts => ({ body: jsonBody({ topicList: list }) });
  return [
    [RequestCode.GET_ROUTEINFO_BY_TOPIC, (request, answer) => answer(routes.answer(request))],
    [
      RequestCode.GET_BROKER_CLUSTER_INFO,
      ({ session }, answer) =>
        answer({ body: Buffer.from(clusterInfoJson(table, views.viewOf(session))) }),
    ],
    [
      RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER,
      (_request, answer) => {
        if (settings.values.enableAllTopicList) return answer(names(table.topicNames()));
        answer({ code: systemErrorCode, remark: 'disable' });
      },
    ],
    [
      RequestCode.GET_TOPICS_BY_CLUSTER,
      (request, answer) => answer(names(topicsOfCluster(table, request.extFields['cluster']))),
    ],
    [RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS, (_request, answer) => answer(systemTopics(table))],
    [RequestCode.GET_UNIT_TOPIC_LIST, (_request, answer) => answer(names(unitTopics(table, 1)))],
    [
      RequestCode.GET_HAS_UNIT_SUB_TOPIC_LIST,
      (_request, answer) => answer(names(unitTopics(table, 2))),
    ],
    [
      RequestCode.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST,
      (_request, answer) => {
        const units = new Set(unitTopics(table, 1));
        answer(names(unitTopics(table, 2).filter((topic) => !units.has(topic))));
      },
    ],
    ...changeHandlers(table),
    ...kvHandlers(kv, table),
    [
      RequestCode.GET_NAMESRV_CONFIG,
      (_request, answer) => answer({ body: settings.show(parts.shown()) }),
    ],
    [
      RequestCode.UPDATE_NAMESRV_CONFIG,
      async (request, answer) => {
        await settings.update(request.body);
        table.version++; // routes may look different now
        answer({});
      },
    ],
  ];
}

/** Requests that change the route table by hand. */
function changeHandlers(table: RouteTable): [number, RequestHandler][] {
  return [
    [
      RequestCode.DELETE_TOPIC_IN_NAMESRV,
      (request, answer) => {
        const { topic = '', clusterName } = request.extFields;
        table.deleteTopic(topic, clusterName === '' ? undefined : clusterName);
        answer({});
      },
    ],
    [RequestCode.REGISTER_TOPIC_IN_NAMESRV, (request, answer) => answer(putTopic(table, request))],
    [
      RequestCode.WIPE_WRITE_PERM_OF_BROKER,
      (request, answer) => {
        const count = table.setWritable(request.extFields['brokerName'] ?? '', false);
        answer({ extFields: { wipeTopicCount: String(count) } });
      },
    ],
    [
      RequestCode.ADD_WRITE_PERM_OF_BROKER,
      (request, answer) => {
        const count = table.setWritable(request.extFields['brokerName'] ?? '', true);
        answer({ extFields: { addTopicCount: String(count) } });
      },
    ],
  ];
}

function kvHandlers(kv: KvConfig, table: RouteTable): [number, RequestHandler][] {
  return [
    [
      RequestCode.PUT_KV_CONFIG,
      async (request, answer) => {
        const { namespace, key, value } = request.extFields;
        if (namespace === undefined || key === undefined) {
          throw new RmqError('BAD_REQUEST', 'namespace or key is missing');
        }
        await kv.put(namespace, key, value ?? '');
        table.version++; // order configurations are part of routes
        answer({});
      },
    ],
    [
      RequestCode.GET_KV_CONFIG,
      (request, answer) => {
        const { namespace = '', key = '' } = request.extFields;
        const value = kv.get(namespace, key);
        if (value !== undefined) return answer({ extFields: { value } });
        const remark = `No config item, Namespace: ${namespace} Key: ${key}`;
        answer({ code: queryNotFoundCode, remark });
      },
    ],
    [
      RequestCode.DELETE_KV_CONFIG,
      async (request, answer) => {
        const { namespace = '', key = '' } = request.extFields;
        await kv.delete(namespace, key);
        table.version++;
        answer({});
      },
    ],
    [
      RequestCode.GET_KVLIST_BY_NAMESPACE,
      (request, answer) => {
        const namespace = request.extFields['namespace'] ?? '';
        const table = kv.list(namespace);
        if (table !== undefined) return answer({ body: jsonBody({ table }) });
        answer({ code: queryNotFoundCode, remark: `No config item, Namespace: ${namespace}` });
      },
    ],
  ];
}

/** Clients that are told other addresses than most share the answers of so many views. */
const cachedViewMax = 64;

/** Route answers, encoded once per topic and view until the table changes. */
class RouteCache {
  readonly #parts: QueryParts;
  readonly #views: AddressViews;
  readonly #bodies = new Map<string, Buffer>();
  /** Numbers of the views, by what they say. */
  readonly #viewNumbers = new Map<string, number>();
  #version = -1;

  constructor(parts: QueryParts, views: AddressViews) {
    this.#parts = parts;
    this.#views = views;
  }

  answer(request: Request): AnswerParts {
    if (!this.#parts.isReady()) {
      return { code: systemErrorCode, remark: 'name server not ready' };
    }
    const { topic, acceptStandardJsonOnly } = request.extFields;
    const isQuoted = request.version >= quotedKeysVersion || acceptStandardJsonOnly === 'true';
    const view = this.#views.viewOf(request.session);
    const body = topic === undefined ? undefined : this.#body(topic, isQuoted, view);
    if (body !== undefined) return { body };
    const remark = `No topic route info in name server for the topic: ${topic ?? 'null'}\n${faqLine}`;
    return { code: topicNotExistCode, remark };
  }

  #body(topic: string, isQuoted: boolean, view: AddressView): Buffer | undefined {
    const { table, kv, settings } = this.#parts;
    const { orderMessageEnable, supportActingMaster } = settings.values;
    if (this.#version !== table.version) {
      this.#bodies.clear();
      this.#viewNumbers.clear();
      this.#version = table.version;
    }
    const number = view.size === 0 ? 0 : this.#numberOf(view);
    const key = `${number}${isQuoted ? '"' : ' '}${topic}`;
    const known = this.#bodies.get(key);
    if (known !== undefined) return known;
    const json = topicRouteJson(table, topic, {
      isQuoted,
      isActingMasterShown: supportActingMaster,
      orderConfig: orderMessageEnable ? kv.get(orderConfigNamespace, topic) : undefined,
      view,
    });
    if (json === undefined) return undefined;
    const body = Buffer.from(json);
    if (number <= cachedViewMax) this.#bodies.set(key, body);
    return body;
  }

  /** From 1; more than `cachedViewMax`: there are too many. */
  #numberOf(view: AddressView): number {
    const text = JSON.stringify([...view]);
    const known = this.#viewNumbers.get(text);
    if (known !== undefined) return known;
    const number = this.#viewNumbers.size + 1;
    if (number <= cachedViewMax) this.#viewNumbers.set(text, number);
    return number;
  }
}

function topicsOfCluster(table: RouteTable, cluster: string | undefined): string[] {
  return table.topicNames().filter((topic) => {
    for (const brokerName of table.queues(topic)?.keys() ?? []) {
      if (table.broker(brokerName)?.cluster === cluster) return true;
    }
    return false;
  });
}

function systemTopics(table: RouteTable): AnswerParts {
  const topicList = new Set<string>();
  let brokerAddr: string | undefined;
  for (const broker of table.brokers()) {
    topicList.add(broker.cluster).add(broker.brokerName);
    brokerAddr ??= [...broker.brokerAddrs.values()][0];
  }
  return { body: jsonBody({ brokerAddr, topicList: [...topicList] }) };
}

function unitTopics(table: RouteTable, bit: number): string[] {
  return table.topicNames().filter((topic) => {
    for (const queue of table.queues(topic)?.values() ?? []) {
      return (queue.topicSysFlag & bit) !== 0;
    }
    return false;
  });
}

function putTopic(table: RouteTable, request: Request): AnswerParts {
  const { topic = '' } = request.extFields;
  for (const one of listOf(parseJsonObject(request.body), 'queueDatas')) {
    if (typeof one !== 'object' || one === null) continue;
    const fields = one as Record<string, unknown>; // an object, by the line above
    const { brokerName } = fields;
    if (typeof brokerName !== 'string') continue;
    table.putQueue(topic, {
      brokerName,
      readQueueNums: numberOr(fields['readQueueNums'], 0),
      writeQueueNums: numberOr(fields['writeQueueNums'], 0),
      perm: numberOr(fields['perm'], 0),
      topicSysFlag: numberOr(fields['topicSysFlag'], 0),
    });
  }
  return {};
}

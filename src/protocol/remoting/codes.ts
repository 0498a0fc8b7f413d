/**
 * Every Remoting request and response code of RocketMQ 5.4, in one table each; facts/remoting.md §2.
 * Dispatch tables, `docs/reference/remoting.md` and the test that compares both with what is
 * served are made from it.
 */

/**
 * Who has to do with a request, a letter each: `N` NameServer, `B` broker, `P` proxy, `C` a client (asked
 * by a broker on the client's own connection), `L` controller or broker container.
 */
export type RoleLetters = string;

export interface RequestKind {
  readonly code: number;
  /** Roles that serve it in Apache's RocketMQ (our extensions: in ours). */
  readonly roles: RoleLetters;
  /** Roles that serve (`C`: send) it in rmq. */
  readonly served: RoleLetters;
  /** Why nobody serves it, to be read behind the request's name; or how serving it differs from Apache's. */
  readonly note: string | undefined;
}

function request(
  code: number,
  roles: RoleLetters,
  served: RoleLetters,
  note?: string,
): RequestKind {
  return { code, roles, served, note };
}

const unused = 'nothing in 5.4 sends or serves it';
const noController = 'rmq has no controller and no broker container';
const noSlave = "no broker of Apache's can be a replica of this one";
const noRocksDb = 'this broker has no RocksDB';
const noStatic = 'rmq has no static topics: their queues cannot move between brokers';
const noCold =
  'this broker reads old messages in blocks beside the loop and needs no control of cold reads';
const noAcl = 'rmq keeps no users and rules that requests could change';
const oneTimer = 'there is one timer engine, nothing to switch to';
const onePop = 'there is one store of deliveries, nothing to roll back to';
const serverReset = 'resets are kept by the broker, which tells consumers by their next pull';
const noHalf =
  'a transaction that was given up lies in TRANS_CHECK_MAX_TIME_TOPIC and is not asked about again';

/** By Apache's name. From 720001 on: extensions of ours, outside of Apache's range. */
export const requestKinds = {
  SEND_MESSAGE: request(10, 'BP', 'BP'),
  PULL_MESSAGE: request(11, 'BP', 'BP'),
  QUERY_MESSAGE: request(12, 'B', 'BP'),
  QUERY_BROKER_OFFSET: request(13, '', '', unused),
  QUERY_CONSUMER_OFFSET: request(14, 'BP', 'BP'),
  UPDATE_CONSUMER_OFFSET: request(15, 'BP', 'BP'),
  UPDATE_AND_CREATE_TOPIC: request(17, 'B', 'B'),
  UPDATE_AND_CREATE_TOPIC_LIST: request(18, 'B', 'B'),
  GET_ALL_TOPIC_CONFIG: request(21, 'B', 'B'),
  GET_TOPIC_CONFIG_LIST: request(22, '', '', unused),
  GET_TOPIC_NAME_LIST: request(23, '', '', unused),
  UPDATE_BROKER_CONFIG: request(
    25,
    'B',
    'B',
    'fileReservedTime, autoCreateTopicEnable and autoCreateSubscriptionGroup, until the broker stops',
  ),
  GET_BROKER_CONFIG: request(26, 'B', 'B'),
  TRIGGER_DELETE_FILES: request(27, '', '', unused),
  GET_BROKER_RUNTIME_INFO: request(28, 'B', 'B'),
  SEARCH_OFFSET_BY_TIMESTAMP: request(29, 'BP', 'BP'),
  GET_MAX_OFFSET: request(30, 'BP', 'BP'),
  GET_MIN_OFFSET: request(31, 'BP', 'BP'),
  GET_EARLIEST_MSG_STORETIME: request(32, 'B', 'BP'),
  VIEW_MESSAGE_BY_ID: request(33, 'B', 'B'),
  HEART_BEAT: request(34, 'BP', 'BP'),
  UNREGISTER_CLIENT: request(35, 'BP', 'BP'),
  CONSUMER_SEND_MSG_BACK: request(36, 'BP', 'BP', 'answered once the copy is kept'),
  END_TRANSACTION: request(37, 'BP', 'BP'),
  GET_CONSUMER_LIST_BY_GROUP: request(38, 'BP', 'BP'),
  CHECK_TRANSACTION_STATE: request(39, 'C', 'C', 'sent to one producer of the group'),
  NOTIFY_CONSUMER_IDS_CHANGED: request(40, 'C', 'C'),
  LOCK_BATCH_MQ: request(41, 'BP', 'BP'),
  UNLOCK_BATCH_MQ: request(42, 'BP', 'BP'),
  GET_ALL_CONSUMER_OFFSET: request(43, 'B', 'B'),
  GET_ALL_DELAY_OFFSET: request(45, 'B', '', noSlave),
  CHECK_CLIENT_CONFIG: request(46, 'BP', 'BP', 'tag and SQL92 filters are compiled'),
  GET_CLIENT_CONFIG: request(47, '', '', unused),
  GET_TIMER_CHECK_POINT: request(60, 'B', '', noSlave),
  GET_TIMER_METRICS: request(
    61,
    'B',
    'B',
    'delayed messages by topic; there is no port of its own for replicas',
  ),
  PUT_KV_CONFIG: request(100, 'N', 'N'),
  GET_KV_CONFIG: request(101, 'N', 'N'),
  DELETE_KV_CONFIG: request(102, 'N', 'N'),
  REGISTER_BROKER: request(103, 'N', 'N', 'static topics and filter servers are left out'),
  UNREGISTER_BROKER: request(104, 'N', 'N'),
  GET_ROUTEINFO_BY_TOPIC: request(105, 'NP', 'NP'),
  GET_BROKER_CLUSTER_INFO: request(106, 'N', 'N'),
  UPDATE_AND_CREATE_SUBSCRIPTIONGROUP: request(200, 'B', 'B'),
  GET_ALL_SUBSCRIPTIONGROUP_CONFIG: request(201, 'B', 'B'),
  GET_TOPIC_STATS_INFO: request(202, 'B', 'B'),
  GET_CONSUMER_CONNECTION_LIST: request(203, 'BP', 'BP'),
  GET_PRODUCER_CONNECTION_LIST: request(204, 'B', 'B'),
  WIPE_WRITE_PERM_OF_BROKER: request(205, 'N', 'N'),
  GET_ALL_TOPIC_LIST_FROM_NAMESERVER: request(206, 'N', 'N'),
  DELETE_SUBSCRIPTIONGROUP: request(207, 'B', 'B'),
  GET_CONSUME_STATS: request(208, 'B', 'B'),
  SUSPEND_CONSUMER: request(209, '', '', unused),
  RESUME_CONSUMER: request(210, '', '', unused),
  RESET_CONSUMER_OFFSET_IN_CONSUMER: request(211, '', '', unused),
  RESET_CONSUMER_OFFSET_IN_BROKER: request(212, '', '', unused),
  ADJUST_CONSUMER_THREAD_POOL: request(213, '', '', unused),
  WHO_CONSUME_THE_MESSAGE: request(214, '', '', unused),
  DELETE_TOPIC_IN_BROKER: request(215, 'B', 'B'),
  DELETE_TOPIC_IN_NAMESRV: request(216, 'N', 'N'),
  REGISTER_TOPIC_IN_NAMESRV: request(217, 'N', 'N'),
  GET_KVLIST_BY_NAMESPACE: request(219, 'N', 'N'),
  RESET_CONSUMER_CLIENT_OFFSET: request(220, 'C', '', serverReset),
  GET_CONSUMER_STATUS_FROM_CLIENT: request(221, 'C', 'C'),
  INVOKE_BROKER_TO_RESET_OFFSET: request(
    222,
    'B',
    'B',
    'kept by the broker; consumers are told by their next pull',
  ),
  INVOKE_BROKER_TO_GET_CONSUMER_STATUS: request(223, 'B', 'B'),
  GET_TOPICS_BY_CLUSTER: request(224, 'N', 'N'),
  UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST: request(225, 'B', 'B'),
  QUERY_TOPIC_CONSUME_BY_WHO: request(300, 'B', 'B'),
  REGISTER_FILTER_SERVER: request(301, '', '', unused),
  REGISTER_MESSAGE_FILTER_CLASS: request(302, '', '', unused),
  QUERY_CONSUME_TIME_SPAN: request(303, 'B', 'B'),
  GET_SYSTEM_TOPIC_LIST_FROM_NS: request(304, 'N', 'N'),
  GET_SYSTEM_TOPIC_LIST_FROM_BROKER: request(305, 'B', 'B'),
  CLEAN_EXPIRED_CONSUMEQUEUE: request(
    306,
    'B',
    'B',
    'deletes what is too old; an index goes with its messages',
  ),
  GET_CONSUMER_RUNNING_INFO: request(307, 'BC', 'BC'),
  QUERY_CORRECTION_OFFSET: request(308, 'B', 'B'),
  CONSUME_MESSAGE_DIRECTLY: request(309, 'BC', 'BC'),
  SEND_MESSAGE_V2: request(310, 'BP', 'BP'),
  GET_UNIT_TOPIC_LIST: request(311, 'N', 'N'),
  GET_HAS_UNIT_SUB_TOPIC_LIST: request(312, 'N', 'N'),
  GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST: request(313, 'N', 'N'),
  CLONE_GROUP_OFFSET: request(314, 'B', 'B'),
  VIEW_BROKER_STATS_DATA: request(
    315,
    'B',
    'B',
    'TOPIC_PUT_NUMS, GROUP_GET_NUMS, BROKER_PUT_NUMS and BROKER_GET_NUMS',
  ),
  CLEAN_UNUSED_TOPIC: request(
    316,
    'B',
    'B',
    "deletes what is too old; a deleted topic's index goes at once",
  ),
  GET_BROKER_CONSUME_STATS: request(317, 'B', 'B'),
  UPDATE_NAMESRV_CONFIG: request(318, 'N', 'N', 'a list of settings, kept on disk'),
  GET_NAMESRV_CONFIG: request(319, 'N', 'N'),
  SEND_BATCH_MESSAGE: request(320, 'BP', 'BP'),
  QUERY_CONSUME_QUEUE: request(321, 'B', 'B'),
  QUERY_DATA_VERSION: request(322, 'N', 'N'),
  RESUME_CHECK_HALF_MESSAGE: request(323, 'B', '', noHalf),
  SEND_REPLY_MESSAGE: request(324, 'B', 'BP', 'pushed to who asked, then stored'),
  SEND_REPLY_MESSAGE_V2: request(325, 'B', 'BP', 'pushed to who asked, then stored'),
  PUSH_REPLY_MESSAGE_TO_CLIENT: request(326, 'C', 'C'),
  ADD_WRITE_PERM_OF_BROKER: request(327, 'N', 'N'),
  GET_ALL_PRODUCER_INFO: request(328, 'B', 'B'),
  DELETE_EXPIRED_COMMITLOG: request(329, 'B', 'B'),
  QUERY_TOPICS_BY_CONSUMER: request(343, 'B', 'B'),
  QUERY_SUBSCRIPTION_BY_CONSUMER: request(345, 'B', 'B'),
  GET_TOPIC_CONFIG: request(351, 'B', 'B'),
  GET_SUBSCRIPTIONGROUP_CONFIG: request(352, 'B', 'B'),
  UPDATE_AND_GET_GROUP_FORBIDDEN: request(353, 'B', 'B'),
  CHECK_ROCKSDB_CQ_WRITE_PROGRESS: request(354, 'B', '', noRocksDb),
  EXPORT_ROCKSDB_CONFIG_TO_JSON: request(355, 'B', '', noRocksDb),
  LITE_PULL_MESSAGE: request(361, 'BP', 'BP'),
  RECALL_MESSAGE: request(370, 'BP', 'BP'),
  QUERY_ASSIGNMENT: request(400, 'B', 'BP'),
  SET_MESSAGE_REQUEST_MODE: request(401, 'B', 'B'),
  GET_ALL_MESSAGE_REQUEST_MODE: request(402, 'B', 'B'),
  UPDATE_AND_CREATE_STATIC_TOPIC: request(513, 'B', '', noStatic),
  GET_BROKER_MEMBER_GROUP: request(901, 'N', 'N'),
  ADD_BROKER: request(902, 'L', '', noController),
  REMOVE_BROKER: request(903, 'L', '', noController),
  BROKER_HEARTBEAT: request(904, 'NL', 'N'),
  NOTIFY_MIN_BROKER_ID_CHANGE: request(905, 'B', '', noSlave),
  EXCHANGE_BROKER_HA_INFO: request(906, 'B', '', noSlave),
  GET_BROKER_HA_STATUS: request(907, 'B', 'B', 'a master without replicas'),
  RESET_MASTER_FLUSH_OFFSET: request(908, 'B', '', noSlave),
  CONTROLLER_ALTER_SYNC_STATE_SET: request(1001, 'L', '', noController),
  CONTROLLER_ELECT_MASTER: request(1002, 'L', '', noController),
  CONTROLLER_REGISTER_BROKER: request(1003, 'L', '', noController),
  CONTROLLER_GET_REPLICA_INFO: request(1004, 'L', '', noController),
  CONTROLLER_GET_METADATA_INFO: request(1005, 'L', '', noController),
  CONTROLLER_GET_SYNC_STATE_DATA: request(1006, 'L', '', noController),
  GET_BROKER_EPOCH_CACHE: request(1007, 'B', '', noSlave),
  NOTIFY_BROKER_ROLE_CHANGED: request(1008, 'B', '', noSlave),
  UPDATE_CONTROLLER_CONFIG: request(1009, 'L', '', noController),
  GET_CONTROLLER_CONFIG: request(1010, 'L', '', noController),
  CLEAN_BROKER_DATA: request(1011, 'L', '', noController),
  CONTROLLER_GET_NEXT_BROKER_ID: request(1012, 'L', '', noController),
  CONTROLLER_APPLY_BROKER_ID: request(1013, 'L', '', noController),
  UPDATE_COLD_DATA_FLOW_CTR_CONFIG: request(2001, 'B', '', noCold),
  REMOVE_COLD_DATA_FLOW_CTR_CONFIG: request(2002, 'B', '', noCold),
  GET_COLD_DATA_FLOW_CTR_INFO: request(2003, 'B', '', noCold),
  SET_COMMITLOG_READ_MODE: request(2004, 'B', '', noCold),
  AUTH_CREATE_USER: request(3001, 'B', '', noAcl),
  AUTH_UPDATE_USER: request(3002, 'B', '', noAcl),
  AUTH_DELETE_USER: request(3003, 'B', '', noAcl),
  AUTH_GET_USER: request(3004, 'B', '', noAcl),
  AUTH_LIST_USER: request(3005, 'B', '', noAcl),
  AUTH_CREATE_ACL: request(3006, 'B', '', noAcl),
  AUTH_UPDATE_ACL: request(3007, 'B', '', noAcl),
  AUTH_DELETE_ACL: request(3008, 'B', '', noAcl),
  AUTH_GET_ACL: request(3009, 'B', '', noAcl),
  AUTH_LIST_ACL: request(3010, 'B', '', noAcl),
  SWITCH_TIMER_ENGINE: request(5001, 'B', '', oneTimer),
  POP_MESSAGE: request(200050, 'BP', 'BP'),
  ACK_MESSAGE: request(
    200051,
    'BP',
    'BP',
    "208 for a handle that is expired or unknown, where Apache's answers 0",
  ),
  PEEK_MESSAGE: request(200052, 'B', 'BP'),
  CHANGE_MESSAGE_INVISIBLETIME: request(200053, 'BP', 'BP'),
  NOTIFICATION: request(
    200054,
    'B',
    'BP',
    'a message that becomes visible again is told after the polling time',
  ),
  POLLING_INFO: request(200055, 'B', 'B'),
  POP_ROLLBACK: request(200056, 'B', '', onePop),
  POP_LITE_MESSAGE: request(200070, 'B', 'B'),
  LITE_SUBSCRIPTION_CTL: request(200071, 'B', 'B'),
  NOTIFY_UNSUBSCRIBE_LITE: request(200073, 'P', 'P'),
  BATCH_ACK_MESSAGE: request(200151, 'B', 'B'),
  RMQ_REGISTER_PROXY: request(720001, 'N', 'N'),
  RMQ_UNREGISTER_PROXY: request(720002, 'N', 'N'),
  RMQ_CLUSTER_MEMBERS: request(720003, 'N', 'N'),
} as const satisfies Record<string, RequestKind>;

export type RequestName = keyof typeof requestKinds;

// Built once from the table; the cast holds since `requestKinds` is its only source.
const codes = Object.fromEntries(
  Object.entries(requestKinds).map(([name, kind]) => [name, kind.code]),
) as Record<RequestName, number>;

/** Request code by name, such as `RequestCode.SEND_MESSAGE_V2`. */
export const RequestCode: Readonly<Record<RequestName, number>> = codes;

const names = new Map<number, RequestName>(
  // Object.entries widens the keys of `requestKinds` to string.
  (Object.keys(requestKinds) as RequestName[]).map((name) => [requestKinds[name].code, name]),
);

/** How the letters of `RoleLetters` are said. */
export const roleNames: Readonly<Record<string, string>> = {
  N: 'a NameServer',
  B: 'a broker',
  P: 'a proxy',
  C: 'a client',
  L: 'a controller',
};

/** Why a request that is not in a server's table is not served there. */
export function refusalOf(code: number): string {
  const name = names.get(code);
  const text = ` request type ${code} not supported`;
  if (name === undefined) return text;
  const { note, served } = requestKinds[name];
  const others = [...served].map((letter) => roleNames[letter] ?? letter).join(' or ');
  const reason = served === '' ? note : `it is for ${others}`;
  return `${text}: ${name}: ${reason}`;
}

/** The name of a request code, or its number as text when nobody knows it. */
export function requestName(code: number): string {
  return names.get(code) ?? String(code);
}

/** facts/remoting.md §2.2 (those of the controller left out). */
export const ResponseCode = {
  SUCCESS: 0,
  SYSTEM_ERROR: 1,
  SYSTEM_BUSY: 2,
  REQUEST_CODE_NOT_SUPPORTED: 3,
  TRANSACTION_FAILED: 4,
  FLUSH_DISK_TIMEOUT: 10,
  SLAVE_NOT_AVAILABLE: 11,
  FLUSH_SLAVE_TIMEOUT: 12,
  MESSAGE_ILLEGAL: 13,
  SERVICE_NOT_AVAILABLE: 14,
  VERSION_NOT_SUPPORTED: 15,
  NO_PERMISSION: 16,
  TOPIC_NOT_EXIST: 17,
  TOPIC_EXIST_ALREADY: 18,
  PULL_NOT_FOUND: 19,
  PULL_RETRY_IMMEDIATELY: 20,
  PULL_OFFSET_MOVED: 21,
  QUERY_NOT_FOUND: 22,
  SUBSCRIPTION_PARSE_FAILED: 23,
  SUBSCRIPTION_NOT_EXIST: 24,
  SUBSCRIPTION_NOT_LATEST: 25,
  SUBSCRIPTION_GROUP_NOT_EXIST: 26,
  FILTER_DATA_NOT_EXIST: 27,
  FILTER_DATA_NOT_LATEST: 28,
  INVALID_PARAMETER: 29,
  CONSUMER_NOT_ONLINE: 206,
  CONSUME_MSG_TIMEOUT: 207,
  NO_MESSAGE: 208,
  POLLING_FULL: 209,
  POLLING_TIMEOUT: 210,
  BROKER_NOT_EXIST: 211,
  BROKER_DISPATCH_NOT_COMPLETE: 212,
  BROADCAST_CONSUMPTION: 213,
  FLOW_CONTROL: 215,
  NOT_LEADER_FOR_QUEUE: 501,
  ILLEGAL_OPERATION: 604,
  GO_AWAY: 1500,
  USER_NOT_EXIST: 3001,
  POLICY_NOT_EXIST: 3002,
} as const;
export type ResponseCode = (typeof ResponseCode)[keyof typeof ResponseCode];

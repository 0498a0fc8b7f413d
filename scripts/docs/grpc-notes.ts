/**
 * What the gRPC port does with each RPC and each field of `proto/`, for docs/reference/grpc.md. A page
 * is not made when a field of the protos has no note, so nothing can be forgotten.
 */

/** By RPC: how it is supported; tests that show it. */
export const rpcNotes: Readonly<Record<string, readonly [how: string, tests: string]>> = {
  QueryRoute: [
    'queues of all live brokers, spread over the live proxies',
    'endpoints, advertise, grpc',
  ],
  Heartbeat: ['keeps the client known', 'grpc'],
  SendMessage: [
    'NORMAL, FIFO, DELAY, TRANSACTION, PRIORITY and LITE; one or several',
    'grpc, lite',
  ],
  QueryAssignment: ['all queues, spread like routes', 'endpoints, grpc'],
  ReceiveMessage: ['tags and SQL92, long polling, FIFO, renewal', 'grpc, lite'],
  AckMessage: ['one or several handles, outcomes one by one', 'grpc'],
  ForwardMessageToDeadLetterQueue: ['a copy to `%DLQ%group`, then acknowledged', 'grpc'],
  PullMessage: ['reads a queue from an offset, with long polling', 'pull-rpcs'],
  UpdateOffset: ['commits', 'pull-rpcs'],
  GetOffset: ['the committed offset', 'pull-rpcs'],
  QueryOffset: ['by begin, end or time', 'pull-rpcs'],
  EndTransaction: ['commit and rollback, through any proxy', 'transactions, interop'],
  Telemetry: ['settings both ways, and every command of the server', 'grpc, admin-service, drain'],
  NotifyClientTermination: ['what the client holds comes back at once', 'grpc'],
  ChangeInvisibleDuration: ['from now; a new receipt handle', 'grpc'],
  RecallMessage: ['a delayed message is taken back, once', 'broker, interop'],
  SyncLiteSubscription: ['partial and complete adds and removals', 'lite'],
  ChangeLogLevel: ['at once, until the process ends', 'admin-service'],
  DescribeTopicStatus: ['type and attributes', 'admin-service'],
  ListSubscription: ['of the consumers connected to this proxy', 'admin-service'],
  DescribeSubscription: ['the same, client by client', 'admin-service'],
  DeleteSubscription: [
    'the group begins again; refused while consumers are connected',
    'admin-service',
  ],
  DescribeGroupAccumulation: ['messages that the group has before it, by topic', 'admin-service'],
  ListConsumerConnection: ['consumers connected to this proxy', 'admin-service'],
  ResetGroupOffset: ['by time, in every queue of the topic', 'admin-service'],
  QueryMessage: ['by message id or key', 'admin-service'],
  PrintThreadStackTrace: ['asks the client; not every client answers', 'admin-service'],
  VerifyMessage: ['lets the client consume a stored message as a test', 'admin-service'],
  AdminSendMessage: ['a normal or FIFO message', 'admin-service'],
  GetConsumerRunningInfo: ['what the proxy knows of the client', 'admin-service'],
  GetTopicRoute: ['brokers and queues as JSON', 'admin-service'],
  QueryTimeSpan: ['oldest, newest and consumed time of each queue', 'admin-service'],
  GetProxyRuntimeStats: ['clients and messages a second', 'admin-service'],
};

/** Notes for fields of these names wherever they are. */
export const commonNotes: Readonly<Record<string, string>> = {
  status: 'always set',
  nonce: 'matches answer and question',
  group: 'the consumer group, checked',
  topic: 'the topic, checked',
  deploymentName: 'read over: one cluster a proxy',
  messageQueue: 'topic, broker and queue id count',
};

/** By message: `field: note`, a line each. */
export const fieldNotes: Readonly<Record<string, string>> = {
  FilterExpression: `type: TAG or SQL
expression: empty is \`*\``,
  RetryPolicy: `maxAttempts: retries of the group and one
exponentialBackoff: as the group says
customizedBackoff: as the group says`,
  ExponentialBackoff: `initial: as the group says
max: as the group says
multiplier: as the group says`,
  CustomizedBackoff: 'next: pauses before each attempt',
  Resource: `resourceNamespace: echoed, not part of the name
name: checked for length and characters`,
  SubscriptionEntry: 'expression: kept for tools; receives say their own',
  Address: `host: as advertised, or as the client reached us
port: the same`,
  Endpoints: `scheme: by the address
addresses: one of a live proxy for each queue; read: the address that the client used`,
  Broker: `name: of the broker
id: 0, the master
endpoints: of a live proxy`,
  MessageQueue: `id: of the queue
permission: of topic and broker together
broker: who holds the queue
acceptMessageTypes: the topic's type`,
  Digest: `type: MD5
checksum: over the body as it is sent`,
  SystemProperties: `tag: stored and filtered on
keys: stored and found by
messageId: the id, as sent
bodyDigest: set to clients; that of producers is not checked, as on Apache
bodyEncoding: GZIP is kept and undone for consumers
messageType: must be the topic's
bornTimestamp: stored
bornHost: stored
storeTimestamp: set to clients
storeHost: set to clients
deliveryTimestamp: a delayed message is delivered then, at most the configured time ahead
receiptHandle: names one delivery
queueId: set to clients
queueOffset: set to clients
invisibleDuration: said by receives, so not repeated in messages, as on Apache
deliveryAttempt: deliveries, this one included
messageGroup: FIFO within it
traceContext: stored and given back
orphanedTransactionRecoveryDuration: when a check first asks, at most an hour
deadLetterQueue: where a dead letter came from
liteTopic: of LITE messages
priority: of PRIORITY messages`,
  DeadLetterQueue: 'messageId: of the message that died',
  Message: `userProperties: at most 128, none of the reserved names
systemProperties: see there
body: 1 B to 4 MiB`,
  Assignment: 'messageQueue: one for each readable queue',
  Status: `code: see errors
message: one sentence`,
  UA: `language: decides what some clients need
version: shown to tools
platform: kept
hostname: shown to tools`,
  Settings: `clientType: decides how the client is treated
accessPoint: kept and echoed
backoffPolicy: decided by the server
requestTimeout: part of the polling time
publishing: read and completed
subscription: read and completed
userAgent: kept
metric: off
clientProperties: kept and echoed`,
  Publishing: `topics: checked; who is asked about transactions
maxBodySize: 4 MiB
validateMessageType: on`,
  Subscription: `subscriptions: kept for tools
fifo: as the group says
receiveBatchSize: 32
longPollingTimeout: 20 s
liteSubscriptionQuota: as the group says
maxLiteTopicSize: 64`,
  Metric: `on: false: clients push nothing
endpoints: none, as metrics are off`,
  OffsetOption: `policy: last, begin, end
offset: taken
tailN: taken
timestamp: taken`,
  QueryRouteRequest: 'endpoints: what the client was configured with decides what it is told',
  QueryRouteResponse: 'messageQueues: readable and writable ones',
  SendMessageRequest: 'messages: one, or several of one topic',
  SendResultEntry: `messageId: as sent
transactionId: the message id
offset: in its queue; of parked messages where they are parked
recallHandle: of delayed messages`,
  SendMessageResponse: 'entries: one a message',
  QueryAssignmentRequest: 'endpoints: as for routes',
  QueryAssignmentResponse: 'assignments: one a broker, for all its queues',
  ReceiveMessageRequest: `messageQueue: topic and broker count, any queue answers
filterExpression: TAG or SQL
batchSize: 1 to 32
invisibleDuration: 10 s to 12 h without auto renewal
autoRenew: the proxy renews while the client lives
longPollingTimeout: 5 to 20 s, never past the deadline
attemptId: repeated, it gets the same messages`,
  ReceiveMessageResponse: `message: one a part
deliveryTimestamp: last part`,
  AckMessageEntry: `messageId: echoed
receiptHandle: names the delivery
liteTopic: of lite messages`,
  AckMessageRequest: 'entries: one or more',
  AckMessageResultEntry: `messageId: echoed
receiptHandle: echoed`,
  AckMessageResponse: 'entries: one a handle',
  ForwardMessageToDeadLetterQueueRequest: `receiptHandle: names the delivery
messageId: for the log
deliveryAttempt: not needed, the broker counts
maxDeliveryAttempts: not needed, the group says
liteTopic: of lite messages`,
  HeartbeatRequest: 'clientType: taken when settings have not said it',
  EndTransactionRequest: `messageId: for the log
transactionId: finds the half message
resolution: COMMIT, ROLLBACK; anything else leaves it open
source: whether a check asked
traceContext: read over: traces are the clients'`,
  ThreadStackTrace: 'threadStackTrace: to who asked',
  VerifyMessageCommand: 'message: whole',
  RecoverOrphanedTransactionCommand: `message: whole
transactionId: to decide by`,
  NotifyUnsubscribeLiteCommand: 'liteTopic: taken over or expired',
  TelemetryCommand: `settings: both ways
threadStackTrace: answer of a client
verifyMessageResult: answer of a client
recoverOrphanedTransactionCommand: to one producer of the topic in turn
printThreadStackTraceCommand: for tools
verifyMessageCommand: for tools
reconnectEndpointsCommand: when a proxy stops
notifyUnsubscribeLiteCommand: to the client that lost it`,
  ChangeInvisibleDurationRequest: `receiptHandle: names the delivery
invisibleDuration: from now
messageId: for the log
liteTopic: of lite messages
suspend: not counted as an attempt`,
  ChangeInvisibleDurationResponse:
    'receiptHandle: the new one; the old one stays good for an acknowledgement',
  PullMessageRequest: `offset: where to begin
batchSize: 1 to 32
filterExpression: TAG or SQL
longPollingTimeout: up to 20 s; none: at once`,
  PullMessageResponse: `message: one a part
nextOffset: last part`,
  UpdateOffsetRequest: 'offset: the first that is not consumed',
  GetOffsetResponse: 'offset: the first that is not consumed',
  QueryOffsetRequest: `queryOffsetPolicy: BEGINNING, END, TIMESTAMP
timestamp: for TIMESTAMP`,
  QueryOffsetResponse: 'offset: found',
  RecallMessageRequest: 'recallHandle: of the send',
  RecallMessageResponse: 'messageId: of the message taken back',
  SyncLiteSubscriptionRequest: `action: partial and complete adds and removals
liteTopicSet: names
version: read over: the request that comes last counts
offsetOption: where to begin`,
  ChangeLogLevelRequest: 'level: TRACE counts as DEBUG',
  ChangeLogLevelResponse: 'remark: the level in force',
  DescribeTopicStatusResponse: `topicMessageType: of the attribute message.type
description: empty: topics have none
createTimestamp: empty: topics have none
tags: the topic's attributes`,
  SubscriptionInfo: `expression: of the settings
online: has an open stream
lastUpdateTimestamp: when it was last heard of
messageModel: CLUSTERING
subscriptionConsistency: all clients of the group say the same`,
  ListSubscriptionResponse: 'subscriptionInfo: one a group and topic',
  DescribeSubscriptionResponse: 'clientSubscriptionInfo: one a client and topic',
  ClientSubscriptionInfo: `clientInfo: who
subscriptionInfo: what`,
  DeleteSubscriptionRequest: 'expression: any: a group has one in a topic',
  ClientInfo: `clientId: as sent
version: as sent
language: as sent
hostname: as sent
egressIp: the address that the proxy sees
messageModel: CLUSTERING`,
  MessageQueueItem: 'processQueueInfo: empty: gRPC clients do not tell',
  ProcessQueueInfo:
    'commitOffset cachedMsgMinOffset cachedMsgMaxOffset cachedMsgCount cachedMsgSizeInMib transactionMsgMinOffset transactionMsgMaxOffset transactionMsgCount locked tryUnlockTimes lastLockTimestamp dropped lastPullTimestamp lastConsumeTimestamp: empty: gRPC clients do not tell',
  ConsumeStatus:
    'receiveRt receiveTps consumeRt consumeOkTps consumeFailedTps consumeFailedMsgs: empty: gRPC clients do not tell',
  ConsumerRunningInfo: `properties: id, language, version, address, silence
subscriptions: by topic
messageQueueTable: empty: gRPC clients do not tell
consumeStatusTable: empty: gRPC clients do not tell`,
  DescribeGroupAccumulationRequest: `topics: none: those that its consumers subscribe to
liteTopic: counted with its parent`,
  DescribeGroupAccumulationResponse: `accumulation: all topics together
topicAccumulation: by topic
liteTopicAccumulation: empty: counted with their parents`,
  GroupAccumulation: `inflightMessages: 0: counted as ready
readyMessages: not acknowledged yet
accumulation: the same
deliverDelayTime: see QueryTimeSpan
lastConsumeTimestamp: see QueryTimeSpan`,
  QueryTimeSpanRequest: 'topics: one or more',
  QueryTimeSpanResponse: 'queueTimeSpanList: one a queue',
  QueueTimeSpan: `minTimestamp: store time of the oldest message
maxTimestamp: of the newest
consumeTimestamp: of the last consumed
delayTimeMs: how long the oldest that is not consumed has waited`,
  ListConsumerConnectionRequest: 'liteTopic: read over: all consumers of the group are told',
  ListConsumerConnectionResponse: 'clientInfo: one a client',
  ResetGroupOffsetRequest: 'resetTimestamp: the first message stored then or later',
  ListMessageRequest: `maxMessageNums: at most 64
beginTimestamp: store time
endTimestamp: store time
messageId: as sent, or the offset message id
messageKey: one of KEYS
subscription: answered BAD_REQUEST: say an id or a key
liteTopic: answered BAD_REQUEST: say an id or a key
scrollId: read over: one page
pageNum: read over: one page
pageSize: read over: one page
brokerName: read over: all brokers are asked
queueId: read over: all queues are searched`,
  ListMessageResponse: `messages: newest first
scrollId: empty: there is one page`,
  PrintThreadStackTraceRequest: 'clientId: whom to ask',
  PrintThreadStackTraceResponse: 'threadStackTrace: as the client says',
  VerifyMessageRequest: `clientId: who consumes it
messageId: as sent, or the offset message id`,
  AdminSendMessageRequest: `tag: stored
key: stored
body: as sent
userProperties: stored
systemProperties: its message group counts
extInfo: read over`,
  AdminSendMessageResponse: 'messageId: made by the broker',
  GetConsumerRunningInfoRequest: 'clientId: whom',
  GetConsumerRunningInfoResponse: 'consumerRunningInfo: see there',
  GetTopicRouteRequest: `networkType: read over
protocolType: read over
streamRequestType: read over
clientAddress: read over`,
  GetTopicRouteResponse: 'topicRouteData: JSON',
  GetProxyRuntimeStatsResponse: `proxyName: as in the cluster list
version: of this program
inTps: messages sent a second, last ten seconds
outTps: delivered
connections: clients with an open stream
producers: clients
consumers: clients`,
};

/** Every limit of the server, with a name and a number (style.md §4). */
export const limits = {
  /** Receives that may wait at a time, all groups together; facts/broker.md §10. */
  parkedReceiveCountMax: 100_000,
  /** Of these, receives of one group for one topic. */
  parkedReceivesOfGroupMax: 10_000,
  /** Messages of one receive. */
  receiveCountMax: 32,
  /** Bytes of bodies in one receive; the first message always fits. */
  receiveSizeMaxBytes: 8 << 20,
  /**
   * Messages in flight, or held back behind their message group's head, in one queue of one group:
   * nothing new of the queue is delivered until some are acknowledged. About 200 bytes each.
   */
  openMessageCountMax: 200_000,
  /** The same, of all queues and groups together. */
  openMessageTotalMax: 2_000_000,
  /** Index entries examined for one receive before it looks at the next queue. */
  examinedEntryCountMax: 800,
  /** Connections of one Remoting port. */
  remotingSessionCountMax: 50_000,
  /** Bytes of frames under way and of answers that nobody reads, all connections of a port together. */
  remotingHeldMaxBytes: 512 << 20,
  /** Lines a second about connections that were closed; the others are counted in one. */
  closedConnectionLinesMax: 20,
  /** Members of groups on a Remoting port: a client counts once a group. */
  registeredMemberCountMax: 200_000,
  /** Queues that ordered consumers hold. */
  queueLockCountMax: 200_000,
  /** The longest wait that a client may ask for. */
  pollingTimeMaxMs: 300_000,
  /** What a NameServer keeps. */
  routeBrokerCountMax: 10_000,
  routeTopicCountMax: 1_000_000,
  kvEntryCountMax: 100_000,
  kvValueMaxCharacters: 65_536,
  topicCountMax: 100_000,
  /** Lite topics of a broker, and subscriptions to them of all clients together. */
  liteTopicCountMax: 200_000,
  liteSubscriptionCountMax: 500_000,
  groupCountMax: 100_000,
  topicQueueCountMax: 4_096,
} as const;

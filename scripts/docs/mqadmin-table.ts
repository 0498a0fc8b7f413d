/**
 * Every subcommand of Apache's mqadmin 5.4 and what does its job here. Source of the names: the
 * commands that `MQAdminStartup.initCommand` registers (apache/rocketmq, tools, 5.4.0).
 */

export interface MqadminRow {
  readonly name: string;
  /** Our commands, as typed behind `rmq`; none: `note` says why. */
  readonly ours: readonly string[];
  readonly note: string;
}

export interface MqadminArea {
  readonly title: string;
  readonly rows: readonly MqadminRow[];
}

const row = (name: string, ours: string, note = ''): MqadminRow => ({
  name,
  ours: ours === '' ? [] : ours.split(', '),
  note,
});

const controller = "of Apache's controller, which this server has no counterpart of";
const rights = 'users and rights are not part of this version';
const rocks = "of Apache's RocksDB files; the data here is in one log and one LevelDB database";

export const mqadminAreas: readonly MqadminArea[] = [
  {
    title: 'Topics',
    rows: [
      row('updateTopic', 'topic create, topic update'),
      row('updateTopicList', 'import', 'one JSON line a topic'),
      row('deleteTopic', 'topic delete'),
      row('updateTopicPerm', 'topic update'),
      row('topicRoute', 'topic route'),
      row('topicStatus', 'topic describe'),
      row('topicClusterList', 'topic route'),
      row('topicList', 'topic list'),
      row('statsAll', 'topic stats'),
      row('updateOrderConf', '', 'order comes from the type: `rmq topic create NAME --type FIFO`'),
      row('updateStaticTopic', '', 'static topics are not part of this version'),
      row('remappingStaticTopic', '', 'static topics are not part of this version'),
      row('allocateMQ', 'group members', 'who has which queue is said by the members'),
      row('cleanUnusedTopic', 'topic delete', 'one by one; unused ones show in `rmq doctor`'),
    ],
  },
  {
    title: 'Groups and offsets',
    rows: [
      row('updateSubGroup', 'group create, group update'),
      row('updateSubGroupList', 'import', 'one JSON line a group'),
      row('deleteSubGroup', 'group delete'),
      row('setConsumeMode', '', 'each client chooses how it receives; the broker serves both'),
      row('consumerProgress', 'group describe, offset show'),
      row('consumerStatus', 'client show, client stack, doctor'),
      row('consumerConnection', 'group members'),
      row('getConsumerConfig', 'group describe'),
      row(
        'startMonitoring',
        'doctor, cluster health',
        'run it again and again: its exit code says what it found',
      ),
      row('cloneGroupOffset', 'offset clone'),
      row('resetOffsetByTime', 'offset reset, offset rewind'),
      row('skipAccumulatedMessage', 'offset skip'),
    ],
  },
  {
    title: 'Messages',
    rows: [
      row('queryMsgById', 'message show'),
      row('queryMsgByKey', 'message find'),
      row('queryMsgByUniqueKey', 'message show'),
      row('queryMsgByOffset', 'message show'),
      row('queryMsgTraceById', 'message trace'),
      row('printMsg', 'tail, message list'),
      row('printMsgByQueue', 'message list'),
      row('sendMessage', 'send'),
      row('consumeMessage', 'consume, tail'),
      row('sendMsgStatus', 'send, bench produce'),
      row('checkMsgSendRT', 'bench latency'),
      row('clusterRT', 'bench latency'),
    ],
  },
  {
    title: 'Clients',
    rows: [row('producerConnection', '', 'not yet'), row('producer', '', 'not yet')],
  },
  {
    title: 'Brokers and clusters',
    rows: [
      row('clusterList', 'cluster list'),
      row('brokerStatus', 'broker stats'),
      row('getBrokerConfig', 'broker config'),
      row('updateBrokerConfig', 'broker configure'),
      row('wipeWritePerm', 'broker drain'),
      row('addWritePerm', 'broker undrain'),
      row('cleanExpiredCQ', '', 'entries go with the messages they point to'),
      row('deleteExpiredCommitLog', '', 'brokers do it by themselves: --retention, --min-free'),
      row('resetMasterFlushOffset', '', 'there are no replicas in this version'),
      row('brokerConsumeStats', 'topic stats, offset show', 'by topic or by group'),
      row('haStatus', '', 'there are no replicas in this version'),
      row('setCommitLogReadAheadMode', '', 'nothing is mapped into memory'),
      row('getColdDataFlowCtrInfo', '', 'nothing is mapped into memory'),
      row('updateColdDataFlowCtrGroupConfig', '', 'nothing is mapped into memory'),
      row('removeColdDataFlowCtrGroupConfig', '', 'nothing is mapped into memory'),
      row('switchTimerEngine', '', 'there is one timer'),
    ],
  },
  {
    title: 'NameServers',
    rows: [
      row('getNamesrvConfig', 'nameserver config'),
      row('updateNamesrvConfig', 'nameserver configure'),
      row('updateKvConfig', 'nameserver kv-set'),
      row('deleteKvConfig', 'nameserver kv-delete'),
    ],
  },
  {
    title: 'Controllers',
    rows: [
      'addBroker',
      'removeBroker',
      'getSyncStateSet',
      'getBrokerEpoch',
      'getControllerConfig',
      'updateControllerConfig',
      'getControllerMetaData',
      'electMaster',
      'cleanBrokerMetadata',
    ].map((name) => row(name, '', controller)),
  },
  {
    title: 'Users and rights',
    rows: [
      ...['createUser', 'updateUser', 'deleteUser', 'getUser', 'listUser', 'copyUser'],
      ...['createAcl', 'updateAcl', 'deleteAcl', 'getAcl', 'listAcl', 'copyAcl'],
    ].map((name) => row(name, '', rights)),
  },
  {
    title: 'Exports and files',
    rows: [
      row('exportMetadata', 'export topics, export groups'),
      row('exportConfigs', 'export topics, export groups'),
      row('exportMetrics', 'topic stats, doctor'),
      row('exportMetadataInRocksDB', '', rocks),
      row('exportPopRecord', '', rocks),
      row('rocksDBConfigToJson', '', rocks),
      row('checkRocksdbCqWriteProgress', '', rocks),
      row('queryCq', 'store inspect'),
      row('dumpCompactionLog', '', 'compaction topics are not part of this version'),
    ],
  },
];

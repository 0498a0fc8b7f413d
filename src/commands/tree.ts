/** All commands. A command's file is loaded when it is called or listed in help. */
import type { AnyCommand, CommandEntry, NounEntry } from './shared/command.ts';

export const commandTree: readonly (NounEntry | CommandEntry)[] = [
  { name: 'start', load: async () => (await import('./start.ts')).start },
  {
    name: 'topic',
    summary: 'Create, list, describe, change and delete topics',
    commands: [
      { name: 'list', load: async () => (await import('./topic/list.ts')).topicList },
      { name: 'create', load: async () => (await import('./topic/create.ts')).topicCreate },
      { name: 'describe', load: async () => (await import('./topic/describe.ts')).topicDescribe },
      { name: 'update', load: async () => (await import('./topic/update.ts')).topicUpdate },
      { name: 'route', load: async () => (await import('./topic/route.ts')).topicRoute },
      { name: 'stats', load: async () => (await import('./topic/stats.ts')).topicStats },
      { name: 'delete', load: async () => (await import('./topic/delete.ts')).topicDelete },
    ],
  },
  {
    name: 'group',
    summary: 'Create, list, describe, change and delete consumer groups',
    commands: [
      { name: 'list', load: async () => (await import('./group/list.ts')).groupList },
      { name: 'create', load: async () => (await import('./group/create.ts')).groupCreate },
      { name: 'describe', load: async () => (await import('./group/describe.ts')).groupDescribe },
      { name: 'members', load: async () => (await import('./group/members.ts')).groupMembers },
      { name: 'update', load: async () => (await import('./group/create.ts')).groupUpdate },
      { name: 'delete', load: async () => (await import('./group/delete.ts')).groupDelete },
    ],
  },
  {
    name: 'offset',
    summary: 'See and move how far groups have consumed',
    commands: [
      { name: 'show', load: async () => (await import('./offset/show.ts')).offsetShow },
      { name: 'set', load: async () => (await import('./offset/set.ts')).offsetSet },
      { name: 'reset', load: async () => (await import('./offset/reset.ts')).offsetReset },
      { name: 'rewind', load: async () => (await import('./offset/rewind.ts')).offsetRewind },
      { name: 'skip', load: async () => (await import('./offset/skip.ts')).offsetSkip },
      { name: 'clone', load: async () => (await import('./offset/clone.ts')).offsetClone },
    ],
  },
  {
    name: 'message',
    summary: 'Show, find, trace and resend messages',
    commands: [
      { name: 'show', load: async () => (await import('./message/show.ts')).messageShow },
      { name: 'find', load: async () => (await import('./message/find.ts')).messageFind },
      { name: 'list', load: async () => (await import('./message/list.ts')).messageList },
      { name: 'trace', load: async () => (await import('./message/trace.ts')).messageTrace },
      { name: 'resend', load: async () => (await import('./message/resend.ts')).messageResend },
      { name: 'verify', load: async () => (await import('./message/verify.ts')).messageVerify },
    ],
  },
  {
    name: 'dlq',
    summary: 'See dead letters and send them again',
    commands: [
      { name: 'list', load: async () => (await import('./dlq/list.ts')).dlqList },
      { name: 'show', load: async () => (await import('./dlq/show.ts')).dlqShow },
      { name: 'redrive', load: async () => (await import('./dlq/redrive.ts')).dlqRedrive },
      { name: 'purge', load: async () => (await import('./dlq/purge.ts')).dlqPurge },
    ],
  },
  {
    name: 'store',
    summary: 'Look into the data folder of a broker, and mend it',
    commands: [
      { name: 'export', load: async () => (await import('./store/export.ts')).storeExport },
      { name: 'import', load: async () => (await import('./store/import.ts')).storeImport },
      { name: 'inspect', load: async () => (await import('./store/inspect.ts')).storeInspect },
      { name: 'verify', load: async () => (await import('./store/verify.ts')).storeVerify },
      { name: 'repair', load: async () => (await import('./store/repair.ts')).storeRepair },
      {
        name: 'rebuild-index',
        load: async () => (await import('./store/rebuild-index.ts')).storeRebuildIndex,
      },
    ],
  },
  { name: 'send', load: async () => (await import('./send.ts')).send },
  { name: 'consume', load: async () => (await import('./consume.ts')).consume },
  { name: 'tail', load: async () => (await import('./tail.ts')).tail },
  { name: 'dashboard', load: async () => (await import('./dashboard.ts')).dashboard },
  {
    name: 'client',
    summary: 'See the clients that are connected',
    commands: [
      { name: 'list', load: async () => (await import('./client/list.ts')).clientList },
      { name: 'show', load: async () => (await import('./client/show.ts')).clientShow },
      { name: 'stack', load: async () => (await import('./client/show.ts')).clientStack },
    ],
  },
  {
    name: 'broker',
    summary: 'See brokers, change their settings, drain them',
    commands: [
      { name: 'list', load: async () => (await import('./broker/list.ts')).brokerList },
      { name: 'stats', load: async () => (await import('./broker/stats.ts')).brokerStats },
      { name: 'config', load: async () => (await import('./broker/config.ts')).brokerConfig },
      { name: 'configure', load: async () => (await import('./broker/config.ts')).brokerConfigure },
      { name: 'drain', load: async () => (await import('./broker/drain.ts')).brokerDrain },
      { name: 'undrain', load: async () => (await import('./broker/drain.ts')).brokerUndrain },
    ],
  },
  {
    name: 'nameserver',
    summary: 'See NameServers, change their settings and tables',
    commands: [
      { name: 'list', load: async () => (await import('./nameserver/list.ts')).nameserverList },
      {
        name: 'config',
        load: async () => (await import('./nameserver/config.ts')).nameserverConfig,
      },
      {
        name: 'configure',
        load: async () => (await import('./nameserver/config.ts')).nameserverConfigure,
      },
      { name: 'kv', load: async () => (await import('./nameserver/kv.ts')).nameserverKv },
      { name: 'kv-set', load: async () => (await import('./nameserver/kv.ts')).nameserverKvSet },
      {
        name: 'kv-delete',
        load: async () => (await import('./nameserver/kv.ts')).nameserverKvDelete,
      },
    ],
  },
  {
    name: 'proxy',
    summary: 'See proxies',
    commands: [
      { name: 'list', load: async () => (await import('./proxy/list.ts')).proxyList },
      { name: 'show', load: async () => (await import('./proxy/list.ts')).proxyShow },
    ],
  },
  {
    name: 'cluster',
    summary: 'See the machines of a cluster',
    commands: [
      { name: 'list', load: async () => (await import('./cluster/list.ts')).clusterList },
      { name: 'health', load: async () => (await import('./cluster/health.ts')).clusterHealth },
    ],
  },
  {
    name: 'export',
    summary: 'Write topics, groups, offsets or messages as JSON lines',
    commands: [
      { name: 'topics', load: async () => (await import('./export/topics.ts')).exportTopics },
      { name: 'groups', load: async () => (await import('./export/groups.ts')).exportGroups },
      { name: 'offsets', load: async () => (await import('./export/offsets.ts')).exportOffsets },
      { name: 'messages', load: async () => (await import('./export/messages.ts')).exportMessages },
    ],
  },
  { name: 'import', load: async () => (await import('./import.ts')).importLines },
  { name: 'doctor', load: async () => (await import('./doctor.ts')).doctor },
  { name: 'mirror', load: async () => (await import('./mirror.ts')).mirror },
  {
    name: 'context',
    summary: 'Give clusters names, and choose the one that commands go to',
    commands: [
      { name: 'list', load: async () => (await import('./context/list.ts')).contextList },
      { name: 'show', load: async () => (await import('./context/show.ts')).contextShow },
      { name: 'add', load: async () => (await import('./context/add.ts')).contextAdd },
      { name: 'use', load: async () => (await import('./context/use.ts')).contextUse },
      { name: 'previous', load: async () => (await import('./context/use.ts')).contextPrevious },
      { name: 'remove', load: async () => (await import('./context/remove.ts')).contextRemove },
    ],
  },
  {
    name: 'bench',
    summary: 'Measure how fast a cluster is',
    commands: [
      { name: 'produce', load: async () => (await import('./bench/produce.ts')).benchProduce },
      { name: 'consume', load: async () => (await import('./bench/consume.ts')).benchConsume },
      { name: 'latency', load: async () => (await import('./bench/latency.ts')).benchLatency },
    ],
  },
  { name: 'completion', load: async () => (await import('./completion.ts')).completion },
];

export interface FoundCommand {
  /** `['topic', 'list']` */
  readonly path: readonly string[];
  readonly command: AnyCommand;
}

/** Every command with its path, loaded. For completion, the reference and tests. */
export async function allCommands(): Promise<readonly FoundCommand[]> {
  const found: FoundCommand[] = [];
  for (const entry of commandTree) {
    if ('load' in entry) found.push({ path: [entry.name], command: await entry.load() });
    else {
      for (const inner of entry.commands) {
        found.push({ path: [entry.name, inner.name], command: await inner.load() });
      }
    }
  }
  return found;
}

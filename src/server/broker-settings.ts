/** A broker's settings by Apache's names, for tools that know those: 25 and 26. */
import type { Broker } from './broker/broker.ts';
import { type BrokerSetting, toBoolean, toCount } from './broker/remoting/settings.ts';
import type { ServerSettings } from './shared/settings.ts';
import type { LogStore } from './store/log-store.ts';

const hourMs = 3_600_000;
const retentionMaxHours = 24 * 365 * 10;

export function brokerSettings(
  settings: ServerSettings,
  { broker, store }: { readonly broker: Broker; readonly store: LogStore },
): readonly BrokerSetting[] {
  const fixed = (name: string, value: string | number | boolean): BrokerSetting => ({
    name,
    get: () => value,
  });
  return [
    {
      name: 'fileReservedTime',
      get: () => store.retentionMs / hourMs,
      prepare: (text) => {
        const hours = toCount('fileReservedTime', text, retentionMaxHours);
        return () => (store.retentionMs = hours * hourMs);
      },
    },
    {
      name: 'autoCreateTopicEnable',
      get: () => broker.isAutoCreateTopicEnabled,
      prepare: (text) => {
        const isEnabled = toBoolean('autoCreateTopicEnable', text);
        return () => (broker.isAutoCreateTopicEnabled = isEnabled);
      },
    },
    {
      name: 'autoCreateSubscriptionGroup',
      get: () => broker.isAutoCreateGroupEnabled,
      prepare: (text) => {
        const isEnabled = toBoolean('autoCreateSubscriptionGroup', text);
        return () => (broker.isAutoCreateGroupEnabled = isEnabled);
      },
    },
    fixed('brokerId', settings.brokerId),
    fixed('brokerRole', 'ASYNC_MASTER'),
    fixed('flushDiskType', settings.flush === 'sync' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH'),
    fixed('mappedFileSizeCommitLog', settings.segmentSizeBytes),
    fixed('defaultTopicQueueNums', settings.defaultTopicQueueCount),
    fixed('timerMaxDelaySec', settings.delayMaxMs / 1000),
    fixed('registerNameServerPeriod', settings.registerIntervalMs),
    fixed('namesrvAddr', settings.namesrv.join(';')),
    fixed('maxMessageSize', 4_194_304),
    fixed('messageDelayLevel', '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h'),
    fixed('transactionCheckInterval', 30_000),
    fixed('enablePropertyFilter', true),
    fixed('recallMessageEnable', true),
    fixed('enableMixedMessageType', true),
  ];
}

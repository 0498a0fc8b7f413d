/** `rmq broker config` and `rmq broker configure` */
import { brokerSettings, changeSetting } from '../../client/broker-client.ts';
import { asRmqError, RmqError } from '../../protocol/errors.ts';
import type { Column, Command } from '../shared/command.ts';
import { brokersOf } from './broker-row.ts';

interface SettingRow {
  readonly brokerName: string;
  readonly brokerId: number;
  readonly name: string;
  readonly value: string;
}

const columns: readonly Column<SettingRow>[] = [
  { title: 'BROKER', value: (row) => `${row.brokerName}:${row.brokerId}` },
  { title: 'NAME', isName: true, value: (row) => row.name, style: () => 'name' },
  { title: 'VALUE', value: (row) => row.value },
];

export const brokerConfig: Command<
  { readonly broker?: string; readonly name?: string },
  SettingRow
> = {
  summary: 'Show the settings of brokers',
  impact: 'read',
  isRemote: true,
  arguments: [
    { name: 'broker', description: 'only this broker', isRequired: false },
    { name: 'name', description: 'only this setting', isRequired: false },
  ],
  flags: [],
  columns,
  examples: [
    ['rmq broker config broker-a', 'all settings of one broker'],
    ['rmq broker config broker-a fileReservedTime --output json', 'one of them'],
  ],
  async run(context, { broker, name }) {
    const admin = await context.connect();
    const rows: SettingRow[] = [];
    for (const { brokerName, brokerId, address } of await brokersOf(admin, broker)) {
      for (const [setting, value] of await brokerSettings(admin, address)) {
        if (name !== undefined && setting !== name) continue;
        rows.push({ brokerName, brokerId, name: setting, value });
      }
    }
    return rows;
  },
};

interface ConfigureOptions {
  readonly broker: string;
  readonly name: string;
  readonly value: string;
}

export const brokerConfigure: Command<ConfigureOptions, SettingRow> = {
  summary: 'Change a setting of a broker, or of all, while it runs',
  impact: 'change',
  isRemote: true,
  arguments: [
    { name: 'broker', description: 'name of the broker, or all', isRequired: true },
    { name: 'name', description: 'name of the setting', isRequired: true },
    { name: 'value', description: 'its new value', isRequired: true },
  ],
  flags: [],
  columns,
  examples: [
    ['rmq broker configure broker-a fileReservedTime 48', 'keep messages for two days'],
    ['rmq broker configure all autoCreateTopicEnable false', 'on every broker'],
  ],
  async run(context, { broker, name, value }) {
    const admin = await context.connect();
    const places = await brokersOf(admin, broker === 'all' ? undefined : broker);
    const rows: SettingRow[] = [];
    for (const { brokerName, brokerId, address } of places) {
      try {
        await changeSetting(admin, { role: 'broker', address }, name, value);
      } catch (thrown) {
        const error = asRmqError(thrown);
        if (rows.length === 0) throw error;
        const names = rows.map((row) => row.brokerName).join(', ');
        throw new RmqError('PARTIAL', `changed on ${names}; on ${brokerName}: ${error.message}`);
      }
      const after = (await brokerSettings(admin, address)).find(([setting]) => setting === name);
      rows.push({ brokerName, brokerId, name, value: after?.[1] ?? value });
    }
    return rows;
  },
};

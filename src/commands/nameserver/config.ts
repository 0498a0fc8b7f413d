/** `rmq nameserver config` and `rmq nameserver configure` */
import { changeSetting, nameserverSettings } from '../../client/broker-client.ts';
import { asRmqError, RmqError } from '../../protocol/errors.ts';
import type { Column, Command } from '../shared/command.ts';

interface SettingRow {
  readonly address: string;
  readonly name: string;
  readonly value: string;
}

const columns: readonly Column<SettingRow>[] = [
  { title: 'NAMESERVER', value: (row) => row.address },
  { title: 'NAME', isName: true, value: (row) => row.name, style: () => 'name' },
  { title: 'VALUE', value: (row) => row.value },
];

export const nameserverConfig: Command<{ readonly name?: string }, SettingRow> = {
  summary: 'Show the settings of the NameServers',
  impact: 'read',
  isRemote: true,
  arguments: [{ name: 'name', description: 'only this setting', isRequired: false }],
  flags: [],
  columns,
  examples: [
    ['rmq nameserver config', 'all settings'],
    ['rmq nameserver config enableAllTopicList --output json', 'one of them'],
  ],
  async run(context, { name }) {
    const admin = await context.connect();
    const rows: SettingRow[] = [];
    for (const address of admin.nameserver.addresses) {
      for (const [setting, value] of await nameserverSettings(admin, address)) {
        if (name === undefined || setting === name) rows.push({ address, name: setting, value });
      }
    }
    return rows;
  },
};

export const nameserverConfigure: Command<
  { readonly name: string; readonly value: string },
  SettingRow
> = {
  summary: 'Change a setting of every NameServer while it runs',
  impact: 'change',
  isRemote: true,
  arguments: [
    { name: 'name', description: 'name of the setting', isRequired: true },
    { name: 'value', description: 'its new value', isRequired: true },
  ],
  flags: [],
  columns,
  examples: [
    ['rmq nameserver configure orderMessageEnable true', 'routes carry order configurations'],
    ['rmq nameserver configure needWaitForService true --output json', 'the same for a program'],
  ],
  async run(context, { name, value }) {
    const admin = await context.connect();
    const rows: SettingRow[] = [];
    for (const address of admin.nameserver.addresses) {
      try {
        await changeSetting(admin, { role: 'nameserver', address }, name, value);
      } catch (thrown) {
        const error = asRmqError(thrown);
        if (rows.length === 0) throw error;
        const text = `changed on ${rows.length} NameServers; on ${address}: ${error.message}`;
        throw new RmqError('PARTIAL', text);
      }
      const after = await nameserverSettings(admin, address);
      const shown = after.find(([setting]) => setting === name)?.[1] ?? value;
      rows.push({ address, name, value: shown });
    }
    return rows;
  },
};

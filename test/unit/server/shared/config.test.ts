import { expect, test } from 'vitest';
import { type ConfigSources, loadConfig } from '../../../../src/server/shared/config.ts';
import { environmentName, settings } from '../../../../src/server/shared/config-table.ts';

const load = (sources: Partial<ConfigSources> & { readonly file?: string } = {}) =>
  loadConfig({
    flags: sources.file === undefined ? {} : { config: 'rmq.yaml' },
    environment: {},
    readFile: () => Promise.resolve(Buffer.from(sources.file ?? '')),
    defaultDataDir: '/home/user/.local/share/rmq',
    ...sources,
  });

test('defaults are those of the table', async () => {
  const { server } = await load();
  expect(server).toMatchObject({
    roles: ['nameserver', 'broker', 'proxy'],
    dataDir: '/home/user/.local/share/rmq',
    listenHost: '127.0.0.1',
    nameserverPort: 9876,
    brokerPort: 10911,
    grpcPort: 8081,
    flush: 'sync',
    isAutoCreateTopicEnabled: true,
    segmentSizeBytes: 64 << 20,
    retentionMs: 72 * 3_600_000,
    namesrv: [],
  });
});

test('every setting can be set by its variable', async () => {
  const file = { config: true, 'ready-json': true, 'exit-with-parent': true };
  for (const setting of settings) {
    if (setting.key in file) continue;
    const bad = { [environmentName(setting.key)]: setting.kind.type === 'text' ? '' : '?' };
    if (setting.kind.type === 'text') continue;
    await expect(load({ environment: bad })).rejects.toMatchObject({
      code: 'ILLEGAL_CONFIG',
      message: expect.stringContaining(environmentName(setting.key)) as string,
    });
  }
});

test('ports auto leaves a port that was named', async () => {
  const { server } = await load({ flags: { ports: 'auto', 'grpc-port': '8081' } });
  expect(server).toMatchObject({ nameserverPort: 0, brokerPort: 0, grpcPort: 8081 });
});

test('sizes and durations have units, JSON files their own types', async () => {
  const { server } = await load({
    flags: { config: 'a.json' },
    readFile: () =>
      Promise.resolve(
        Buffer.from(
          '{"segment-size":"128MiB","retention":"1d12h","broker-id":2,"role":["broker"]}',
        ),
      ),
  });
  expect(server).toMatchObject({
    segmentSizeBytes: 128 << 20,
    retentionMs: 36 * 3_600_000,
    brokerId: 2,
    roles: ['broker'],
    namesrv: ['127.0.0.1:9876'],
  });
});

test.each([
  [{ flags: { 'tls-cert': 'a.pem' } }, 'tls-key is missing'],
  [{ flags: { 'broker-port': '8081' } }, 'are both 8081'],
  [{ flags: { namesrv: 'nowhere' } }, '--namesrv: "nowhere"'],
  [{ flags: { 'registration-window': '4s' } }, 'under twice register-interval'],
  [{ flags: { 'broker-name': 'a/b' } }, '--broker-name: "a/b"'],
  [{ environment: { RMQ_LISTEN: '10.0.0.1' } }, 'RMQ_LISTEN: 10.0.0.1'],
  [{ file: 'flush: fast' }, 'rmq.yaml: flush: "fast"'],
  [{ file: '- a\n- b' }, 'settings as "name: value" expected'],
  [{ file: 'a: [' }, 'cannot read config file rmq.yaml'],
  [{ file: 'config: other.yaml' }, 'unknown setting "config"'],
])('refuses %j', async (sources, text) => {
  await expect(load(sources as Partial<ConfigSources>)).rejects.toMatchObject({
    code: 'ILLEGAL_CONFIG',
    message: expect.stringContaining(text) as string,
  });
});

test('names variables that are none of ours', async () => {
  const { warnings } = await load({ environment: { RMQ_FLUHS: 'sync', PATH: '/bin' } });
  expect(warnings).toEqual(['unknown variable RMQ_FLUHS, did you mean RMQ_FLUSH?']);
});

import { expect, onTestFinished, test } from 'vitest';
import { startRmq } from '../../../../../src/index.ts';
import { RequestCode } from '../../../../../src/protocol/remoting/codes.ts';
import { newClient } from '../../../../support/remote-cluster.ts';

test('settings of a broker are shown, some change while it runs, the others say that they cannot', async () => {
  const server = await startRmq();
  const client = newClient();
  onTestFinished(async () => {
    await client.close();
    await server.stop();
  });
  const address = server.endpoints.broker;
  const ask = (code: number, body?: string): ReturnType<typeof client.invoke> => {
    const bytes = body === undefined ? undefined : Buffer.from(body);
    return client.invoke(address, code, {}, bytes, { timeoutMs: 3_000 });
  };
  const show = async (): Promise<string> =>
    (await ask(RequestCode.GET_BROKER_CONFIG)).body.toString();
  expect(await show()).toMatch(/^fileReservedTime=72$/m);
  expect(await show()).toMatch(/^autoCreateTopicEnable=true$/m);
  const changed = await ask(
    RequestCode.UPDATE_BROKER_CONFIG,
    'fileReservedTime=49\nautoCreateTopicEnable=false\n',
  );
  expect(changed.code).toBe(0);
  expect(await show()).toMatch(/^fileReservedTime=49$/m);
  expect(await show()).toMatch(/^autoCreateTopicEnable=false$/m);
  // All or nothing.
  const refused = await ask(RequestCode.UPDATE_BROKER_CONFIG, 'fileReservedTime=1\nlistenPort=1\n');
  expect(refused).toMatchObject({
    code: 1,
    remark:
      'listenPort cannot change while the broker runs; these can: fileReservedTime, autoCreateTopicEnable, autoCreateSubscriptionGroup',
  });
  const wrong = await ask(
    RequestCode.UPDATE_BROKER_CONFIG,
    'fileReservedTime=1\nautoCreateTopicEnable=perhaps\n',
  );
  expect(wrong).toMatchObject({
    code: 1,
    remark: 'autoCreateTopicEnable is "perhaps", not true or false',
  });
  expect(await show()).toMatch(/^fileReservedTime=49$/m);
  // Without automatic groups only those of the system are there for whoever asks.
  await ask(RequestCode.UPDATE_BROKER_CONFIG, 'autoCreateSubscriptionGroup=false');
  const groupCode = async (group: string): Promise<number> => {
    const code = RequestCode.GET_SUBSCRIPTIONGROUP_CONFIG;
    return (await client.invoke(address, code, { group }, undefined, { timeoutMs: 3_000 })).code;
  };
  expect(await groupCode('unknown')).toBe(26);
  expect(await groupCode('TOOLS_CONSUMER')).toBe(0);
});

/** Who consumes through proxies: brokers do not know these clients, each proxy knows its own. */
import type { AdminClient } from '../../client/admin-client.ts';
import {
  type ProxyConsumer,
  type ProxyPlace,
  proxiesOf,
  proxyConsumers,
  type UnaryCall,
} from '../../client/proxy-client.ts';
import type { Context } from './context.ts';

/** Runs `use` with calls that end with it. */
export async function withProxies<T>(
  context: Context,
  admin: AdminClient,
  use: (proxies: readonly ProxyPlace[], unary: UnaryCall) => Promise<T>,
): Promise<T> {
  const proxies = await proxiesOf(admin);
  const { unaryCalls } = await import('./unary.ts');
  const { unary, close } = unaryCalls(context.timeoutMs);
  try {
    return await use(proxies, unary);
  } finally {
    close();
  }
}

/** Consumers of the groups over gRPC, by group. A proxy that does not answer is named on stderr. */
export function consumersOfProxies(
  context: Context,
  admin: AdminClient,
  groups: readonly string[],
): Promise<ReadonlyMap<string, readonly ProxyConsumer[]>> {
  return withProxies(context, admin, async (proxies, unary) => {
    const found = new Map<string, ProxyConsumer[]>(groups.map((group) => [group, []]));
    for (const proxy of proxies) {
      try {
        for (const [group, consumers] of found) {
          consumers.push(...(await proxyConsumers(unary, proxy, group)));
        }
      } catch (thrown) {
        const reason = thrown instanceof Error ? thrown.message : String(thrown);
        await context.stderr.write(`clients of proxy ${proxy.proxyName} are missing: ${reason}\n`);
      }
    }
    return found;
  });
}

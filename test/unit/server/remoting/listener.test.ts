/** What a Remoting port does to peers that would cost it too much. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { nodeNetwork } from '../../../../src/platform/node-network.ts';
import { RemotingListener } from '../../../../src/server/remoting/listener.ts';
import type { Logger } from '../../../../src/server/shared/logger.ts';
import { silentLogger } from '../../../../src/server/shared/logger.ts';
import { clock, newClient } from '../../../support/remote-cluster.ts';

async function start(heldMaxBytes: number): Promise<{
  readonly listener: RemotingListener;
  readonly port: number;
  readonly lines: string[];
}> {
  const lines: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    named: () => logger,
    warn: (text, fields) => lines.push(`${text}: ${String(fields?.['reason'] ?? '')}`),
  };
  const listener = new RemotingListener({
    network: nodeNetwork,
    clock,
    logger,
    handlers: new Map([[1, (request, answer) => answer({ body: Buffer.from(request.body) })]]),
    heldMaxBytes,
  });
  const { port } = await listener.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => listener.stop());
  return { listener, port, lines };
}

async function open(
  port: number,
): Promise<{ readonly socket: Socket; readonly isClosed: () => boolean }> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let isClosed = false;
  socket.on('error', () => {}); // the server resets those that it closes
  socket.on('close', () => (isClosed = true));
  onTestFinished(() => void socket.destroy());
  return { socket, isClosed: () => isClosed };
}

/** The beginning of a frame of 16 MB, its header and `size` bytes of its body. */
function beginning(size: number): Buffer {
  const out = Buffer.alloc(10 + size);
  out.writeInt32BE(16_000_000, 0);
  out.writeInt32BE(2, 4);
  out.write('{}', 8);
  return out;
}

test('over the limit of memory, who holds most is closed, and nobody else', async () => {
  const { port, lines } = await start(1 << 20);
  const client = newClient();
  onTestFinished(() => client.close());
  const [small, large] = [await open(port), await open(port)];
  small.socket.write(beginning(1_000));
  large.socket.write(beginning(2 << 20));
  await vi.waitFor(() => expect(large.isClosed()).toBe(true), 4_000);
  expect(small.isClosed()).toBe(false);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(
    /^connection closed: it holds \d+ bytes, and all together are over 1048576$/,
  );
  const answer = await client.invoke(`127.0.0.1:${port}`, 1, {}, Buffer.from('still here'), {
    timeoutMs: 3_000,
  });
  expect(answer.body.toString()).toBe('still here');
});

test('a header that could never be read ends the connection at its size', async () => {
  const { port, lines } = await start(1 << 20);
  for (const [header, reason] of [
    [2 << 20, 'a header of 2097152 bytes, at most 1048576'],
    [16_000_000, 'the header is longer than the frame'],
  ] as const) {
    const { socket, isClosed } = await open(port);
    const prefix = Buffer.alloc(8);
    prefix.writeInt32BE(16_000_000, 0);
    prefix.writeInt32BE(header, 4);
    socket.write(prefix);
    await vi.waitFor(() => expect(isClosed()).toBe(true), 4_000);
    expect(lines.at(-1)).toBe(`connection closed: ${reason}`);
  }
});

test('bad connections by the hundred cost a few lines in the log', async () => {
  const { listener, port, lines } = await start(1 << 20);
  for (let index = 0; index < 60; index++) {
    const { socket } = await open(port);
    socket.write(Buffer.alloc(8));
  }
  await vi.waitFor(() => expect(listener.sessionCount).toBe(0), 4_000);
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.length).toBeLessThanOrEqual(45);
});

/** Both gRPC transports behind the echo service, and a client for each. */
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import type { HostPort } from '../../src/platform/network.ts';
import { nodeClock } from '../../src/platform/node-clock.ts';
import { nodeNetwork } from '../../src/platform/node-network.ts';
import { nodeRandom } from '../../src/platform/node-random.ts';
import { nodeTls } from '../../src/platform/node-tls.ts';
import { makeSelfSigned } from '../../src/server/proxy/grpc/self-signed.ts';
import { makeTransport, type TransportKind } from '../../src/server/proxy/grpc/transports.ts';
import type { Service } from '../../src/transport/grpc/call.ts';
import type { GrpcTransport, TransportLog } from '../../src/transport/grpc/transport.ts';
import { type EchoLog, echoService } from './echo-service.ts';

const silent: TransportLog = { error: () => {}, warn: () => {}, debug: () => {} };
const same = (bytes: Buffer): Buffer => bytes;

export interface RunningTransport {
  readonly transport: GrpcTransport;
  readonly address: HostPort;
  readonly echo: EchoLog;
  readonly certificate: Buffer;
}

/** A transport on a free port; `log` hears what it reports. */
export async function runTransport(
  kind: TransportKind,
  options: { readonly service?: Service; readonly log?: TransportLog } = {},
): Promise<RunningTransport> {
  const echo: EchoLog = { cancelled: [], parked: [] };
  const material = makeSelfSigned({ nowMs: nodeClock.nowMs(), random: nodeRandom });
  const transport = await makeTransport(kind, {
    services: [options.service ?? echoService(echo)],
    clock: nodeClock,
    network: nodeNetwork,
    tls: nodeTls,
    log: options.log ?? silent,
    loadCertificate: async () => material,
  });
  const address = await transport.listen({ host: '127.0.0.1', port: 0 });
  return { transport, address, echo, certificate: material.cert };
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

function metadataOf(options: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(options.headers ?? {})) metadata.set(name, value);
  return metadata;
}

function callOptionsOf(options: CallOptions): { deadline?: number } {
  return options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
}

/** Calls of `test.Echo` with raw bytes. */
export class EchoClient {
  readonly client: Client;

  constructor(address: HostPort, options: { readonly certificate?: Buffer } = {}) {
    const channel =
      options.certificate === undefined
        ? credentials.createInsecure()
        : credentials.createSsl(options.certificate);
    this.client = new Client(`localhost:${address.port}`, channel, {
      'grpc.max_receive_message_length': -1,
      'grpc.ssl_target_name_override': 'localhost',
    });
  }

  /** The answer; rejects with grpc-js' ServiceError. */
  unary(method: string, message: Uint8Array, options: CallOptions = {}): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        `/test.Echo/${method}`,
        same,
        same,
        Buffer.from(message),
        metadataOf(options),
        callOptionsOf(options),
        (error, answer) => {
          if (error !== null) reject(error);
          else resolve(answer ?? Buffer.alloc(0));
        },
      );
    });
  }

  /** Code and text of a call that fails. */
  async failure(method: string, message: Uint8Array, options: CallOptions = {}): Promise<string> {
    try {
      const answer = await this.unary(method, message, options);
      return `answered ${answer.length} bytes`;
    } catch (error) {
      const { code, details } = error as ServiceError;
      return `${code} ${details}`;
    }
  }

  repeat(count: number, size: number): ClientReadableStream<Buffer> {
    const message = Buffer.alloc(8);
    message.writeUInt32BE(count, 0);
    message.writeUInt32BE(size, 4);
    return this.client.makeServerStreamRequest('/test.Echo/Repeat', same, same, message);
  }

  chat(): ClientDuplexStream<Buffer, Buffer> {
    return this.client.makeBidiStreamRequest('/test.Echo/Chat', same, same);
  }

  close(): void {
    this.client.close();
  }
}

/** The status that ends a stream. */
export function statusOf(call: {
  on(event: 'status', run: (status: StatusObject) => void): unknown;
  on(event: 'error', run: (error: Error) => void): unknown;
}): Promise<StatusObject> {
  return new Promise((resolve) => {
    call.on('error', () => {}); // The status says the same.
    call.on('status', resolve);
  });
}

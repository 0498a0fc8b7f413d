/**
 * Carries the service over grpc-js. Messages pass through as bytes in both directions; decoding and
 * encoding is the service's (`call.ts`). Connections come from `listener.ts`.
 */
import {
  type ConnectionInjector,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type { Clock } from '../../../platform/clock.ts';
import type { HostPort } from '../../../platform/network.ts';
import type { TlsMaterial } from '../../../platform/tls.ts';
import type {
  Call,
  DuplexMethod,
  OutStream,
  ServerStreamMethod,
  Service,
  UnaryMethod,
} from '../../../transport/grpc/call.ts';
import type { GrpcStatus } from '../../../transport/grpc/status.ts';
import { tolerateLongDeadlines } from './long-deadlines.ts';

/** Largest message of a client: batches of 4 MiB messages; facts/grpc-v2.md 13. */
const maxReceiveBytes = 130 * 1024 * 1024;
/** HTTP/2 window of a connection and of a stream; the default of 64 KiB makes large bodies crawl. */
const flowControlWindowBytes = 1024 * 1024;

type AnyCall =
  | ServerUnaryCall<Buffer, Uint8Array>
  | ServerWritableStream<Buffer, Uint8Array>
  | ServerDuplexStream<Buffer, Uint8Array>;

const identity = (bytes: Buffer): Buffer => bytes;
const asBuffer = (bytes: Uint8Array): Buffer => bytes as Buffer; // Codecs hand out Buffers.

/** The gRPC server of a proxy, without its port. */
export class GrpcServer {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #injectors: ConnectionInjector[] = [];

  constructor(options: { readonly services: readonly Service[]; readonly clock: Clock }) {
    this.#clock = options.clock;
    tolerateLongDeadlines();
    this.#server = new Server({
      'grpc.max_receive_message_length': maxReceiveBytes,
      'grpc.max_send_message_length': -1,
      'grpc.enable_channelz': 0,
      'grpc-node.flow_control_window': flowControlWindowBytes,
    });
    for (const service of options.services) this.#register(service);
  }

  /** Takes connections that speak HTTP/2 in plaintext. */
  plaintext(): ConnectionInjector {
    return this.#injector(ServerCredentials.createInsecure());
  }

  /** Takes connections that begin with a TLS handshake. */
  tls(material: TlsMaterial): ConnectionInjector {
    const pair = { private_key: material.key, cert_chain: material.cert };
    return this.#injector(ServerCredentials.createSsl(null, [pair], false));
  }

  /** GOAWAY to everybody; calls under way may finish within `graceMs`. */
  drain(graceMs: number): void {
    for (const injector of this.#injectors) injector.drain(graceMs);
  }

  /** Closes everything at once. */
  close(): void {
    for (const injector of this.#injectors) injector.destroy();
    this.#server.forceShutdown();
  }

  #injector(credentials: ServerCredentials): ConnectionInjector {
    const injector = this.#server.createConnectionInjector(credentials);
    this.#injectors.push(injector);
    return injector;
  }

  #register(service: Service): void {
    for (const method of service.methods) {
      const path = `/${service.name}/${method.name}`;
      if (method.kind === 'unary') {
        this.#server.register(path, this.#unary(method), asBuffer, identity, 'unary');
      } else if (method.kind === 'server-stream') {
        this.#server.register(path, this.#serverStream(method), asBuffer, identity, 'serverStream');
      } else {
        this.#server.register(path, this.#duplex(method), asBuffer, identity, 'bidi');
      }
    }
  }

  #unary(method: UnaryMethod) {
    return (call: ServerUnaryCall<Buffer, Uint8Array>, done: sendUnaryData<Uint8Array>): void => {
      method.run(new GrpcJsCall(call, this.#clock), call.request, (message) => done(null, message));
    };
  }

  #serverStream(method: ServerStreamMethod) {
    return (call: ServerWritableStream<Buffer, Uint8Array>): void => {
      const out = new GrpcJsOutStream(call);
      method.run(new GrpcJsCall(call, this.#clock), call.request, out);
    };
  }

  #duplex(method: DuplexMethod) {
    return (call: ServerDuplexStream<Buffer, Uint8Array>): void => {
      const input = method.run(new GrpcJsCall(call, this.#clock), new GrpcJsOutStream(call));
      let isOver = false;
      const cancel = (): void => {
        if (isOver) return;
        isOver = true;
        input.onCancel();
      };
      call.on('data', (message: Buffer) => input.onMessage(message));
      call.on('end', () => {
        if (isOver) return;
        isOver = true;
        input.onEnd();
      });
      call.on('cancelled', cancel);
      call.on('error', cancel);
    };
  }
}

class GrpcJsCall implements Call {
  readonly #call: AnyCall;
  readonly #clock: Clock;

  constructor(call: AnyCall, clock: Clock) {
    this.#call = call;
    this.#clock = clock;
  }

  header(name: string): string | undefined {
    const value = this.#call.metadata.get(name)[0];
    return value === undefined ? undefined : value.toString();
  }

  remainingMs(): number {
    const deadline = this.#call.getDeadline();
    const atMs = typeof deadline === 'number' ? deadline : deadline.getTime();
    return atMs - this.#clock.nowMs();
  }

  get peer(): HostPort {
    const text = this.#call.getPeer();
    const colon = text.lastIndexOf(':');
    const host = text
      .slice(0, colon)
      .replace(/^\[|\]$/g, '')
      .replace(/^::ffff:/, '');
    const port = Number(text.slice(colon + 1));
    return colon > 0 && Number.isInteger(port) ? { host, port } : { host: text, port: 0 };
  }

  get authority(): string {
    return this.#call.getHost();
  }

  onCancel(run: () => void): void {
    if (this.#call.cancelled) return run();
    // The union of the three call types has no `once` that TypeScript can call.
    const call = this.#call as {
      readonly writableEnded?: boolean;
      once(event: 'cancelled', run: () => void): unknown;
    };
    call.once('cancelled', () => {
      // grpc-js says so of streams that ended well, too.
      if (call.writableEnded !== true) run();
    });
  }
}

/** What both kinds of answering streams have in common. */
type WritableCall = Pick<
  ServerWritableStream<Buffer, Uint8Array>,
  'cancelled' | 'sendMetadata' | 'emit'
> & {
  write(message: Uint8Array): boolean;
  end(): unknown;
  on(event: 'drain', run: () => void): unknown;
};

class GrpcJsOutStream implements OutStream {
  readonly #call: WritableCall;
  #isEnded = false;

  constructor(call: WritableCall) {
    this.#call = call;
  }

  send(message: Uint8Array): boolean {
    if (this.#isEnded || this.#call.cancelled) return true;
    return this.#call.write(message);
  }

  onDrain(run: () => void): void {
    this.#call.on('drain', run);
  }

  sendHeaders(): void {
    this.#call.sendMetadata(new Metadata());
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#call.end();
  }

  fail(code: GrpcStatus, details: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    // grpc-js takes the status of a stream from an error event.
    this.#call.emit('error', Object.assign(new Error(details), { code, details }));
  }
}

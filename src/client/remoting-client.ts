/**
 * Requests to Remoting servers, one connection an address, made when needed and again after it broke.
 * A request that was written is never repeated here: whether it took effect is the caller's question.
 */
import type { Clock } from '../platform/clock.ts';
import { parseHostPort } from '../platform/host-port.ts';
import type { Network } from '../platform/network.ts';
import { asRmqError, RmqError } from '../protocol/errors.ts';
import { CommandFlag, type ExtFields, type RemotingCommand } from '../protocol/remoting/command.ts';
import {
  type OutgoingAnswer,
  type RemotingAnswer,
  RemotingConnection,
} from '../transport/remoting-connection.ts';
import type { Reply } from '../util/reply.ts';

export type { RemotingAnswer } from '../transport/remoting-connection.ts';

export const connectTimeoutMs = 3_000;

/** Answers a request that a server sends on our connection; undefined: no answer. */
export type PushHandler = (command: RemotingCommand, address: string) => OutgoingAnswer | undefined;

export class RemotingClient {
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #open = new Map<string, RemotingConnection>();
  readonly #opening = new Map<string, Promise<RemotingConnection>>();
  readonly #handlers = new Map<number, PushHandler>();
  readonly #disconnected: ((address: string) => void)[] = [];
  #isClosed = false;

  constructor(options: { readonly network: Network; readonly clock: Clock }) {
    this.#network = options.network;
    this.#clock = options.clock;
  }

  /** @throws RmqError CANNOT_CONNECT, CONNECTION_LOST, TIMEOUT. An answer of any code resolves. */
  invoke(
    address: string,
    code: number,
    extFields: ExtFields,
    body: Uint8Array | undefined,
    options: { readonly timeoutMs: number },
  ): Promise<RemotingAnswer> {
    return new Promise((resolve, reject) => {
      this.request(address, code, extFields, body, options.timeoutMs, (answer) => {
        if (answer instanceof RmqError) reject(answer);
        else resolve(answer);
      });
    });
  }

  request(
    address: string,
    code: number,
    extFields: ExtFields,
    body: Uint8Array | undefined,
    timeoutMs: number,
    reply: Reply<RemotingAnswer, RmqError>,
  ): void {
    const open = this.#open.get(address);
    if (open !== undefined) return open.request(code, extFields, body, timeoutMs, reply);
    this.#connect(address).then(
      (connection) => connection.request(code, extFields, body, timeoutMs, reply),
      (error: unknown) => reply(asRmqError(error)),
    );
  }

  oneway(address: string, code: number, extFields: ExtFields, body?: Uint8Array): void {
    const open = this.#open.get(address);
    if (open !== undefined) return open.oneway(code, extFields, body);
    this.#connect(address).then(
      (connection) => connection.oneway(code, extFields, body),
      () => undefined, // One-way: nobody waits for it.
    );
  }

  /** Serves requests that servers send to us (facts/remoting.md 5.5). */
  onRequest(code: number, handler: PushHandler): void {
    this.#handlers.set(code, handler);
  }

  onDisconnect(listener: (address: string) => void): void {
    this.#disconnected.push(listener);
  }

  #connect(address: string): Promise<RemotingConnection> {
    const opening = this.#opening.get(address);
    if (opening !== undefined) return opening;
    const made = this.#make(address).finally(() => this.#opening.delete(address));
    this.#opening.set(address, made);
    return made;
  }

  async #make(address: string): Promise<RemotingConnection> {
    if (this.#isClosed) throw new RmqError('SHUTTING_DOWN', 'the client has been closed');
    const target = parseHostPort(address);
    if (target === undefined) {
      throw new RmqError('USAGE', `${JSON.stringify(address)} is not host:port`);
    }
    const connection = await this.#network.connect(target, { timeoutMs: connectTimeoutMs });
    const remoting: RemotingConnection = new RemotingConnection({
      connection,
      clock: this.#clock,
      events: {
        onRequest: (command) => this.#serve(remoting, command, address),
        onClose: () => {
          if (this.#open.get(address) === remoting) this.#open.delete(address);
          for (const listener of this.#disconnected) listener(address);
        },
      },
    });
    if (this.#isClosed) remoting.end();
    else this.#open.set(address, remoting);
    return remoting;
  }

  #serve(connection: RemotingConnection, command: RemotingCommand, address: string): void {
    const answer = this.#handlers.get(command.code)?.(command, address);
    if (answer === undefined || (command.flag & CommandFlag.oneway) !== 0) return;
    connection.answer(command.opaque, answer);
  }

  /** Closes all connections after what is queued. */
  close(): Promise<void> {
    this.#isClosed = true;
    for (const connection of this.#open.values()) connection.end();
    this.#open.clear();
    return Promise.resolve();
  }
}

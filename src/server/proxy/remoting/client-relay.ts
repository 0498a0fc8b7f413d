/**
 * One client of the proxy's Remoting port and its own connections to the brokers. Because they are the
 * client's own, brokers see each client, and what they push reaches it.
 */

import type { Clock } from '../../../platform/clock.ts';
import { formatHostPort, parseHostPort } from '../../../platform/host-port.ts';
import type { Network } from '../../../platform/network.ts';
import { asRmqError, RmqError } from '../../../protocol/errors.ts';
import { CommandFlag, type RemotingCommand } from '../../../protocol/remoting/command.ts';
import { type RemotingAnswer, RemotingConnection } from '../../../transport/remoting-connection.ts';
import type { RemotingSession } from '../../remoting/handler.ts';

const connectTimeoutMs = 3_000;
const pushTimeoutMs = 10_000;

/** A request as it goes on; the body belongs to it. */
export interface Forwarded {
  readonly code: number;
  readonly extFields: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly timeoutMs: number;
}

export class ClientRelay {
  readonly #session: RemotingSession;
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #open = new Map<string, Promise<RemotingConnection>>();
  #isClosed = false;

  constructor(
    session: RemotingSession,
    parts: { readonly network: Network; readonly clock: Clock },
  ) {
    this.#session = session;
    this.#network = parts.network;
    this.#clock = parts.clock;
    session.onClose(() => this.#close());
  }

  /** @throws RmqError CANNOT_CONNECT, CONNECTION_LOST, TIMEOUT. An answer of any code resolves. */
  async ask(address: string, request: Forwarded): Promise<RemotingAnswer> {
    const connection = await this.#connection(address);
    return new Promise((resolve, reject) => {
      const { code, extFields, body, timeoutMs } = request;
      connection.request(code, { ...extFields }, body, timeoutMs, (answer) => {
        if (answer instanceof RmqError) reject(answer);
        else resolve(answer);
      });
    });
  }

  async tell(address: string, { code, extFields, body }: Forwarded): Promise<void> {
    (await this.#connection(address)).oneway(code, { ...extFields }, body);
  }

  #connection(address: string): Promise<RemotingConnection> {
    let opening = this.#open.get(address);
    if (opening === undefined) {
      opening = this.#connect(address);
      this.#open.set(address, opening);
      // One that failed is tried again by the next request.
      opening.catch(() => this.#open.delete(address));
    }
    return opening;
  }

  async #connect(address: string): Promise<RemotingConnection> {
    const target = parseHostPort(address);
    if (target === undefined) {
      throw new RmqError('BROKER_NOT_FOUND', `${JSON.stringify(address)} is not host:port`);
    }
    const connection = await this.#network.connect(target, { timeoutMs: connectTimeoutMs });
    const remoting: RemotingConnection = new RemotingConnection({
      connection,
      clock: this.#clock,
      events: {
        onRequest: (command) => this.#pushed(remoting, command),
        onClose: () => this.#open.delete(address),
      },
    });
    if (this.#isClosed) {
      remoting.end();
      throw new RmqError('CONNECTION_LOST', `${formatHostPort(this.#session.remote)} has gone`);
    }
    return remoting;
  }

  /** A broker has something for the client: a notice, or a question whose answer goes back. */
  #pushed(broker: RemotingConnection, command: RemotingCommand): void {
    const { code, extFields, opaque } = command;
    const body = Buffer.from(command.body); // a view until this returns
    if ((command.flag & CommandFlag.oneway) !== 0) {
      this.#session.push(code, extFields, body);
      return;
    }
    this.#session.call(code, extFields, body, pushTimeoutMs).then(
      (answer) => broker.answer(opaque, answer),
      (error: unknown) => {
        const { kind, message } = asRmqError(error);
        broker.answer(opaque, { code: kind.remoting, remark: message });
      },
    );
  }

  #close(): void {
    this.#isClosed = true;
    for (const opening of this.#open.values()) {
      opening.then(
        (connection) => connection.end(),
        () => undefined, // it never opened
      );
    }
    this.#open.clear();
  }
}

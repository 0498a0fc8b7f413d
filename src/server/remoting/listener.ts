/**
 * A Remoting port: accepts connections, hands requests to the table of handlers, writes the answers.
 * Answers are in JSON, as Apache's servers give them by default (facts/remoting.md 0.2).
 */
import type { Clock, Timer } from '../../platform/clock.ts';
import { formatHostPort } from '../../platform/host-port.ts';
import type { Connection, HostPort, Listener, Network } from '../../platform/network.ts';
import { asRmqError, RmqError } from '../../protocol/errors.ts';
import { errorNameField } from '../../protocol/remoting/answer-error.ts';
import { refusalOf } from '../../protocol/remoting/codes.ts';
import {
  CommandFlag,
  type ExtFields,
  type RemotingCommand,
} from '../../protocol/remoting/command.ts';
import { type RemotingAnswer, RemotingConnection } from '../../transport/remoting-connection.ts';
import type { Logger } from '../shared/logger.ts';
import type {
  Answer,
  AnswerParts,
  HandlerTable,
  RemotingRequest,
  RemotingSession,
} from './handler.ts';

const notSupportedCode = 3;
/** Silence after which a connection is closed; facts/remoting.md 1.7. */
const idleLimitMs = 120_000;
const idleScanMs = 10_000;
const sessionCountMax = 50_000;

class Session implements RemotingSession {
  readonly id: number;
  readonly connection: RemotingConnection;
  readonly #closing: (() => void)[] = [];

  constructor(id: number, connection: RemotingConnection) {
    this.id = id;
    this.connection = connection;
  }

  get remote(): HostPort {
    return this.connection.remote;
  }

  get local(): HostPort {
    return this.connection.local;
  }

  push(code: number, extFields: ExtFields, body?: Uint8Array): void {
    this.connection.oneway(code, extFields, body);
  }

  call(
    code: number,
    extFields: ExtFields,
    body: Uint8Array | undefined,
    timeoutMs: number,
  ): Promise<RemotingAnswer> {
    return new Promise((resolve, reject) => {
      this.connection.request(code, extFields, body, timeoutMs, (answer) => {
        if (answer instanceof RmqError) reject(answer);
        else resolve(answer);
      });
    });
  }

  onClose(run: () => void): void {
    if (this.connection.isClosed) run();
    else this.#closing.push(run);
  }

  close(): void {
    this.connection.end();
  }

  closed(): void {
    for (const run of this.#closing.splice(0)) run();
  }
}

export class RemotingListener {
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #handlers: HandlerTable;
  readonly #sessions = new Set<Session>();
  #listener: Listener | undefined = undefined;
  #idleTimer: Timer | undefined = undefined;
  #nextId = 1;

  constructor(options: {
    readonly network: Network;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly handlers: HandlerTable;
  }) {
    this.#network = options.network;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#handlers = options.handlers;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** @throws RmqError PORT_IN_USE, ADDRESS_NOT_AVAILABLE */
  async listen(address: HostPort): Promise<HostPort> {
    this.#listener = await this.#network.listen(address, (connection) => this.#accept(connection));
    this.#scanLater();
    return this.#listener.local;
  }

  async stop(): Promise<void> {
    if (this.#idleTimer !== undefined) this.#clock.clearTimer(this.#idleTimer);
    this.#idleTimer = undefined;
    await this.#listener?.close();
    for (const session of [...this.#sessions]) session.connection.end();
  }

  #scanLater(): void {
    this.#idleTimer = this.#clock.setTimer(idleScanMs, () => {
      const before = this.#clock.monotonicMs() - idleLimitMs;
      for (const session of [...this.#sessions]) {
        if (session.connection.lastReceivedMs < before) session.connection.end();
      }
      this.#scanLater();
    });
  }

  #accept(connection: Connection): void {
    if (this.#sessions.size >= sessionCountMax) {
      this.#logger.warn('too many connections, one is refused', { limit: sessionCountMax });
      connection.destroy();
      return;
    }
    const session: Session = new Session(
      this.#nextId++,
      new RemotingConnection({
        connection,
        clock: this.#clock,
        events: {
          onRequest: (command) => this.#dispatch(session, command),
          onClose: (reason) => this.#closed(session, reason),
        },
      }),
    );
    this.#sessions.add(session);
  }

  #closed(session: Session, reason: RmqError): void {
    this.#sessions.delete(session);
    if (reason.code !== 'CONNECTION_LOST') {
      const remote = formatHostPort(session.remote);
      this.#logger.warn('connection closed', { remote, reason: reason.message });
    }
    session.closed();
  }

  #dispatch(session: Session, command: RemotingCommand): void {
    const isOneway = (command.flag & CommandFlag.oneway) !== 0;
    const answer = answerOnce(session.connection, command.opaque, isOneway);
    const handler = this.#handlers.get(command.code);
    if (handler === undefined) {
      return answer({ code: notSupportedCode, remark: refusalOf(command.code) });
    }
    const { code, version, language, extFields, body } = command;
    const request: RemotingRequest = {
      code,
      version,
      language,
      extFields,
      body,
      isOneway,
      session,
    };
    try {
      const work = handler(request, answer);
      if (work instanceof Promise)
        work.catch((error: unknown) => this.#failed(code, error, answer));
    } catch (error) {
      this.#failed(code, error, answer);
    }
  }

  #failed(code: number, error: unknown, answer: Answer): void {
    const known = asRmqError(error);
    if (known.code === 'INTERNAL') {
      const stack = error instanceof Error ? error.stack : undefined;
      this.#logger.error('a request failed', { code, reason: known.message, stack });
    }
    answer(known);
  }
}

function answerOnce(connection: RemotingConnection, opaque: number, isOneway: boolean): Answer {
  let isAnswered = isOneway;
  return (parts: AnswerParts | RmqError) => {
    if (isAnswered) return;
    isAnswered = true;
    if (parts instanceof RmqError) {
      const hint = parts.hint === undefined ? '' : ` (${parts.hint})`;
      const extFields = { [errorNameField]: parts.code };
      connection.answer(opaque, {
        code: parts.kind.remoting,
        remark: parts.message + hint,
        extFields,
      });
      return;
    }
    const { code = 0, remark, extFields, body } = parts;
    connection.answer(opaque, { code, remark, extFields, body });
  };
}

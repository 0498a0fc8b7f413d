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
import { limits } from '../shared/limits.ts';
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
/** How often the memory of all connections is looked at. */
const memoryScanMs = 250;

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
  readonly #heldMaxBytes: number;
  readonly #sessions = new Set<Session>();
  #listener: Listener | undefined = undefined;
  #timer: Timer | undefined = undefined;
  #idleScanAtMs = 0;
  /** Lines about closed connections in the second that began then, and those that were left out. */
  #lines = { sinceMs: 0, count: 0, leftOut: 0 };
  #nextId = 1;

  constructor(options: {
    readonly network: Network;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly handlers: HandlerTable;
    /** Changed by tests. */
    readonly heldMaxBytes?: number;
  }) {
    this.#network = options.network;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#handlers = options.handlers;
    this.#heldMaxBytes = options.heldMaxBytes ?? limits.remotingHeldMaxBytes;
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
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
    await this.#listener?.close();
    for (const session of [...this.#sessions]) session.connection.end();
  }

  #scanLater(): void {
    this.#timer = this.#clock.setTimer(memoryScanMs, () => {
      this.#boundMemory();
      const nowMs = this.#clock.monotonicMs();
      if (nowMs - this.#idleScanAtMs >= idleScanMs) {
        this.#idleScanAtMs = nowMs;
        this.#closeIdle(nowMs - idleLimitMs);
      }
      this.#scanLater();
    });
  }

  #closeIdle(beforeMs: number): void {
    for (const session of [...this.#sessions]) {
      const { connection } = session;
      if (connection.lastReceivedMs >= beforeMs) continue;
      // What waits for one that does not read either will never leave.
      if (connection.heldBytes > 0) {
        connection.close(new RmqError('BUSY', `silent for ${idleLimitMs / 1000} s`));
      } else connection.end();
    }
  }

  /** Over the limit, those that hold most are closed, until the others fit. */
  #boundMemory(): void {
    let heldBytes = 0;
    for (const { connection } of this.#sessions) heldBytes += connection.heldBytes;
    if (heldBytes <= this.#heldMaxBytes) return;
    const byHeld = [...this.#sessions].sort(
      (a, b) => b.connection.heldBytes - a.connection.heldBytes,
    );
    for (const { connection } of byHeld) {
      if (heldBytes <= this.#heldMaxBytes) return;
      const held = connection.heldBytes;
      heldBytes -= held;
      const text = `it holds ${held} bytes, and all together are over ${this.#heldMaxBytes}`;
      connection.close(new RmqError('BUSY', text));
    }
  }

  #accept(connection: Connection): void {
    if (this.#sessions.size >= limits.remotingSessionCountMax) {
      this.#logger.warn('too many connections, one is refused', {
        limit: limits.remotingSessionCountMax,
      });
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
    if (reason.code !== 'CONNECTION_LOST') this.#tell(session, reason);
    session.closed();
  }

  /** A line in the log, and only a few a second: whoever makes bad connections must not fill the disk. */
  #tell(session: Session, reason: RmqError): void {
    const lines = this.#lines;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - lines.sinceMs >= 1_000) {
      if (lines.leftOut > 0) this.#logger.warn('more connections closed', { count: lines.leftOut });
      this.#lines = { sinceMs: nowMs, count: 0, leftOut: 0 };
    }
    if (this.#lines.count >= limits.closedConnectionLinesMax) {
      this.#lines.leftOut++;
      return;
    }
    this.#lines.count++;
    const remote = formatHostPort(session.remote);
    this.#logger.warn('connection closed', { remote, reason: reason.message });
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

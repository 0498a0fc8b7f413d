/**
 * Questions to connected clients over their telemetry streams, with answers matched by nonce
 * (facts/grpc-v2.md 4.4). Some clients never answer: each question has its own time limit.
 */
import type { Clock, Timer } from '../../platform/clock.ts';
import { RmqError } from '../../protocol/errors.ts';
import type {
  MessageInit,
  StatusInit,
  TelemetryCommand,
  TelemetryCommandInit,
} from '../../protocol/grpc/generated/messages.ts';
import type { Reply } from '../../util/reply.ts';
import type { ClientRegistry } from './settings.ts';

const answerTimeoutMs = 5_000;
const pendingCountMax = 10_000;

export interface ClientAnswer {
  readonly status: StatusInit | undefined;
  readonly text: string | undefined;
}

interface Pending {
  readonly clientId: string;
  readonly reply: Reply<ClientAnswer, RmqError>;
  readonly timer: Timer;
}

export class ClientCommands {
  readonly #clients: ClientRegistry;
  readonly #clock: Clock;
  readonly #pending = new Map<string, Pending>();
  #nextNonce = 1;

  constructor(options: { readonly clients: ClientRegistry; readonly clock: Clock }) {
    this.#clients = options.clients;
    this.#clock = options.clock;
  }

  printThreadStackTrace(clientId: string, reply: Reply<ClientAnswer, RmqError>): void {
    this.#ask(clientId, (nonce) => ({ printThreadStackTraceCommand: { nonce } }), reply);
  }

  /** Lets the client consume `message` as a test. */
  verifyMessage(
    clientId: string,
    message: MessageInit,
    reply: Reply<ClientAnswer, RmqError>,
  ): void {
    this.#ask(clientId, (nonce) => ({ verifyMessageCommand: { nonce, message } }), reply);
  }

  #ask(
    clientId: string,
    command: (nonce: string) => TelemetryCommandInit,
    reply: Reply<ClientAnswer, RmqError>,
  ): void {
    if (this.#pending.size >= pendingCountMax) {
      return reply(new RmqError('BUSY', `${pendingCountMax} questions to clients are open`));
    }
    const nonce = String(this.#nextNonce++);
    if (!this.#clients.command(clientId, command(nonce))) {
      return reply(new RmqError('CLIENT_NOT_FOUND', `client ${clientId} is not connected here`));
    }
    const timer = this.#clock.setTimer(answerTimeoutMs, () => {
      this.#pending.delete(nonce);
      const text = `client ${clientId} did not answer in ${answerTimeoutMs} ms`;
      reply(new RmqError('TIMEOUT', text));
    });
    this.#pending.set(nonce, { clientId, reply, timer });
  }

  /** A command came from a client: if it is an answer, whoever asked gets it. */
  answered(clientId: string, command: TelemetryCommand): void {
    const { threadStackTrace, verifyMessageResult, status } = command;
    const nonce = threadStackTrace?.nonce ?? verifyMessageResult?.nonce;
    const pending = nonce === undefined ? undefined : this.#pending.get(nonce);
    // Answers of others to questions that they were not asked are none.
    if (nonce === undefined || pending === undefined || pending.clientId !== clientId) return;
    this.#pending.delete(nonce);
    this.#clock.clearTimer(pending.timer);
    pending.reply({ status, text: threadStackTrace?.threadStackTrace });
  }

  stop(): void {
    for (const { timer, reply } of this.#pending.values()) {
      this.#clock.clearTimer(timer);
      reply(new RmqError('SHUTTING_DOWN', 'the proxy is stopping'));
    }
    this.#pending.clear();
  }
}

/** A worker of a proxy: a whole proxy on the ports that it shares with its siblings, told what to do by its supervisor. */
import type { ProcessChannel } from '../../platform/worker-processes.ts';
import { asRmqError } from '../../protocol/errors.ts';
import type { Siblings } from '../proxy/siblings.ts';
import { nodePorts, startServer } from '../start.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** Resolves when it was told to stop and has drained, or could not begin, which the supervisor then tells. */
export async function runWorker(
  supervisor: ProcessChannel,
  writeLog: (line: string) => void,
): Promise<void> {
  const say = (message: FromWorker): Promise<void> => supervisor.send(message);
  const siblings = new RemoteSiblings(say);
  const stop = Promise.withResolvers<void>();
  const begin = Promise.withResolvers<Extract<ToWorker, { kind: 'begin' }>>();
  supervisor.onMessage((raw) => {
    const message = raw as ToWorker; // the supervisor says nothing else
    if (message.kind === 'begin') begin.resolve(message);
    else if (message.kind === 'stop') stop.resolve();
    else siblings.hear(message);
  });
  await say({ kind: 'hello' });
  try {
    const { settings } = await begin.promise;
    const server = await startServer(settings, await nodePorts(settings, writeLog), { siblings });
    const { grpc, remoting } = server.endpoints;
    if (grpc !== undefined) await say({ kind: 'ready', grpc, remoting });
    await stop.promise;
    await server.stop();
  } catch (error) {
    const { code, message: text, hint } = asRmqError(error);
    await say({ kind: 'failed', code, text, hint });
  }
}

type Answers = readonly Uint8Array[];

class RemoteSiblings implements Siblings {
  readonly #say: (message: FromWorker) => Promise<void>;
  readonly #pending = new Map<number, (answers: Answers) => void>();
  #nextId = 1;
  #answer: (method: string, message: Uint8Array) => Promise<Uint8Array> = () =>
    Promise.reject(new Error('nobody answers yet'));

  constructor(say: (message: FromWorker) => Promise<void>) {
    this.#say = say;
  }

  ask(method: string, message: Uint8Array): Promise<Answers> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      // The supervisor answers always, and in time; without it this process ends.
      this.#pending.set(id, resolve);
      void this.#say({ kind: 'ask', id, method, message });
    });
  }

  onAsked(answer: (method: string, message: Uint8Array) => Promise<Uint8Array>): void {
    this.#answer = answer;
  }

  hear(message: Extract<ToWorker, { kind: 'asked' | 'answers' }>): void {
    if (message.kind === 'answers') {
      this.#pending.get(message.id)?.(message.answers);
      this.#pending.delete(message.id);
      return;
    }
    const { id, method } = message;
    this.#answer(method, message.message).then(
      (answer) => this.#say({ kind: 'answer', id, message: answer }),
      () => undefined, // Then this one has no answer; the supervisor does not wait for ever.
    );
  }
}

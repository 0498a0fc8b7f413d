/** Questions of one worker to its siblings, as the supervisor passes them on and gathers the answers. */
import type { Clock, Timer } from '../../platform/clock.ts';

/** Longer than a client gets to answer a command (`proxy/client-commands.ts`). */
const answerTimeoutMs = 6_000;
const openCountMax = 10_000;

/** Who is asked. */
export interface Asked {
  ask(id: number, method: string, message: Uint8Array): void;
}

interface Question {
  /** Those whose answer is awaited. */
  readonly waitingFor: Set<Asked>;
  readonly answers: Uint8Array[];
  readonly reply: (answers: readonly Uint8Array[]) => void;
  readonly timer: Timer;
}

export class Questions {
  readonly #clock: Clock;
  readonly #open = new Map<number, Question>();
  #nextId = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Asks all of `siblings`; `reply` gets the answers that came, once. */
  ask(
    siblings: readonly Asked[],
    method: string,
    message: Uint8Array,
    reply: (answers: readonly Uint8Array[]) => void,
  ): void {
    if (siblings.length === 0 || this.#open.size >= openCountMax) return reply([]);
    const id = this.#nextId++;
    const timer = this.#clock.setTimer(answerTimeoutMs, () => this.#close(id));
    this.#open.set(id, { waitingFor: new Set(siblings), answers: [], reply, timer });
    for (const one of siblings) one.ask(id, method, message);
  }

  answered(from: Asked, id: number, message: Uint8Array): void {
    const question = this.#open.get(id);
    if (question === undefined || !question.waitingFor.delete(from)) return;
    question.answers.push(message);
    if (question.waitingFor.size === 0) this.#close(id);
  }

  /** It has ended: nobody waits for it any more. */
  gone(asked: Asked): void {
    for (const [id, { waitingFor }] of this.#open) {
      if (waitingFor.delete(asked) && waitingFor.size === 0) this.#close(id);
    }
  }

  #close(id: number): void {
    const question = this.#open.get(id);
    if (question === undefined) return;
    this.#open.delete(id);
    this.#clock.clearTimer(question.timer);
    question.reply(question.answers);
  }
}

/**
 * Calls without an end. The Java client opens its Telemetry stream with a deadline of centuries
 * (`grpc-timeout` of Duration's maximum); grpc-js 1.14 squeezes that into 32 bits, gets a negative
 * number and ends the stream at once. A deadline that no timer of Node can hold is none.
 */
import { BaseServerInterceptingCall } from '@grpc/grpc-js/build/src/server-interceptors.js';

const timerMaxMs = 2 ** 31 - 1;
const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

interface TimeoutHandling {
  handleTimeoutHeader(header: string | Buffer): void;
}

/** Milliseconds that a `grpc-timeout` header means; undefined when it is malformed. */
export function timeoutMs(header: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,8})\s*([HMSmun])$/.exec(header) ?? [];
  const factor = unitMs[unit];
  return count === undefined || factor === undefined ? undefined : Number(count) * factor;
}

let isDone = false;

/** Teaches grpc-js, once a process. */
export function tolerateLongDeadlines(): void {
  if (isDone) return;
  isDone = true;
  // The method is private to TypeScript and there at run time; test/unit/…/long-deadlines checks it.
  const prototype = BaseServerInterceptingCall.prototype as unknown as TimeoutHandling;
  const original = prototype.handleTimeoutHeader;
  prototype.handleTimeoutHeader = function (this: TimeoutHandling, header): void {
    if ((timeoutMs(header.toString()) ?? 0) <= timerMaxMs) original.call(this, header);
  };
}

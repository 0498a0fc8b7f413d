/**
 * Calls without an end. The Java client opens its Telemetry stream with a deadline of centuries
 * (`grpc-timeout` of Duration's maximum); grpc-js 1.14 squeezes that into 32 bits, gets a negative
 * number and ends the stream at once. A deadline that no timer of Node can hold is none.
 */

import { BaseServerInterceptingCall } from '@grpc/grpc-js/build/src/server-interceptors.js';
import { timeoutMs } from '../../../transport/grpc/timeout.ts';

const timerMaxMs = 2 ** 31 - 1;
interface TimeoutHandling {
  handleTimeoutHeader(header: string | Buffer): void;
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

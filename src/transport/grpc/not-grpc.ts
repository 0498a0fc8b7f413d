/** A browser or curl on the gRPC port: one sentence, so that they know where they are. */
import { HeaderList } from '../http2/hpack-encoder.ts';
import type { Http2Stream, StreamHandler } from '../http2/stream.ts';

const sentence = Buffer.from('This port speaks gRPC (apache.rocketmq.v2).\n');
const nothing = Buffer.alloc(0);

function headers(status: string): HeaderList {
  return new HeaderList(
    [
      { name: ':status', value: status, use: 'once' },
      { name: 'content-type', value: 'text/plain; charset=utf-8', use: 'once' },
    ],
    true,
  );
}

const wrongMethod = headers('405');
const wrongType = headers('415');
const noTrailers = new HeaderList([], true);

/** Waits for the end of the request, so that it is checked like any other, and keeps nothing of it. */
export class NotGrpc implements StreamHandler {
  readonly #stream: Http2Stream;
  readonly #isHead: boolean;
  readonly #headers: HeaderList;

  constructor(stream: Http2Stream, method: string) {
    this.#stream = stream;
    this.#isHead = method === 'HEAD';
    this.#headers = method === 'POST' ? wrongType : wrongMethod;
  }

  onData(): void {}

  onEnd(): void {
    this.#stream.respond(this.#headers, this.#isHead);
    if (this.#isHead) return;
    this.#stream.send(nothing, sentence);
    this.#stream.end(noTrailers);
  }

  onDrain(): void {}

  onAbort(): void {}
}

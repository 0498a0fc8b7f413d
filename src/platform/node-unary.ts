/** Unary gRPC calls to servers, in the clear, over Node's HTTP/2: for tools, which make few. */
import { type ClientHttp2Session, connect } from 'node:http2';
import { RmqError } from '../protocol/errors.ts';
import { formatHostPort } from './host-port.ts';
import type { HostPort } from './network.ts';

/** A larger answer is refused. */
const answerMaxBytes = 16 << 20;
/** Of a message on the wire: a flag (0: not compressed), then its length, big-endian. */
const prefixSize = 5;

/** One connection an address, made with the first call. */
export class NodeUnary {
  readonly #sessions = new Map<string, ClientHttp2Session>();

  /**
   * The response message of `path`, such as `/package.Service/Method`.
   * @throws RmqError CANNOT_CONNECT, TIMEOUT, NOT_SUPPORTED
   */
  call(
    address: HostPort,
    path: string,
    message: Uint8Array,
    options: { readonly timeoutMs: number },
  ): Promise<Buffer> {
    const name = formatHostPort(address);
    return new Promise((resolve, reject) => {
      const session = this.#session(name);
      const fail = (code: 'CANNOT_CONNECT' | 'TIMEOUT' | 'NOT_SUPPORTED', text: string): void => {
        stream.close();
        reject(new RmqError(code, text));
      };
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const chunks: Buffer[] = [];
      let size = 0;
      let status = '';
      let text = '';
      const takeStatus = (headers: object): void => {
        const { 'grpc-status': code, 'grpc-message': said } = headers as Record<string, unknown>; // as HTTP/2 has them
        status = code === undefined ? status : String(code);
        text = said === undefined ? text : decodeURIComponent(String(said));
      };
      stream.setTimeout(options.timeoutMs, () => fail('TIMEOUT', `${name} did not answer in time`));
      stream.on('response', takeStatus);
      stream.on('trailers', takeStatus);
      stream.on('data', (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > answerMaxBytes)
          fail('NOT_SUPPORTED', `${name} answers over ${answerMaxBytes} B`);
      });
      stream.on('error', (error) => fail('CANNOT_CONNECT', `cannot ask ${name}: ${error.message}`));
      stream.on('end', () => {
        const answer = Buffer.concat(chunks);
        if (status !== '0' && status !== '') {
          return fail('NOT_SUPPORTED', `${name} answers ${path} with status ${status}: ${text}`);
        }
        if (answer.length < prefixSize) return fail('NOT_SUPPORTED', `${name} answers nothing`);
        const length = answer.readUInt32BE(1);
        resolve(answer.subarray(prefixSize, prefixSize + length));
      });
      const prefix = Buffer.alloc(prefixSize);
      prefix.writeUInt32BE(message.length, 1);
      stream.end(Buffer.concat([prefix, message]));
    });
  }

  #session(name: string): ClientHttp2Session {
    const open = this.#sessions.get(name);
    if (open !== undefined && !open.closed && !open.destroyed) return open;
    const session = connect(`http://${name}`);
    session.on('error', () => {
      // Each of its streams fails with it, and tells.
    });
    this.#sessions.set(name, session);
    return session;
  }

  close(): void {
    for (const session of this.#sessions.values()) session.destroy();
    this.#sessions.clear();
  }
}

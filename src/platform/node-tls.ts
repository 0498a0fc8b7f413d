/** `Tls` over node:tls, on the sockets of `node-network.ts`. */
import { assert } from '../util/assert.ts';
import { NodeConnection } from './node-network.ts';
import type { Tls } from './tls.ts';

export const nodeTls: Tls = {
  acceptor: async ({ key, cert }, alpn) => {
    // Most servers never see a TLS client: loaded with the first.
    const { createSecureContext, TLSSocket } = await import('node:tls');
    const secureContext = createSecureContext({ key, cert, minVersion: 'TLSv1.2' });
    return {
      accept: (connection, head) => {
        assert(connection instanceof NodeConnection, 'TLS runs on sockets');
        const socket = connection.release(head);
        const secure = new TLSSocket(socket, {
          isServer: true,
          secureContext,
          ALPNProtocols: [...alpn],
        });
        return new NodeConnection(secure);
      },
    };
  },
};

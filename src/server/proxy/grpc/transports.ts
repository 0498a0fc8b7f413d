/** The transports that a proxy can have; only the one that is asked for is loaded. */
import type { GrpcTransport, TransportOptions } from '../../../transport/grpc/transport.ts';

export type TransportKind = 'own' | 'grpc-js';

export async function makeTransport(
  kind: TransportKind,
  options: TransportOptions,
): Promise<GrpcTransport> {
  if (kind === 'own') {
    const { OwnGrpcTransport } = await import('../../../transport/grpc/server.ts');
    return new OwnGrpcTransport(options);
  }
  const { GrpcJsTransport } = await import('./grpc-js-transport.ts');
  return new GrpcJsTransport(options);
}

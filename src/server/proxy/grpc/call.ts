/** The seam as the service's files know it. */
export type {
  Call,
  DuplexMethod,
  InStream,
  OutStream,
  ServerStreamMethod,
  Service,
  UnaryMethod,
} from '../../../transport/grpc/call.ts';
export { GrpcStatus } from '../../../transport/grpc/status.ts';

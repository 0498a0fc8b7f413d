/** What a proxy's first process and its workers say to each other. Copied between processes of one program. */
import type { HostPort } from '../../platform/network.ts';
import type { RmqError } from '../../protocol/errors.ts';
import type { ServerSettings } from '../shared/settings.ts';

export type ToWorker =
  /** Serve with these settings. Ports are never 0. */
  | { readonly kind: 'begin'; readonly settings: ServerSettings }
  /** Drain, then end. */
  | { readonly kind: 'stop' }
  /** A sibling wants to know; answer with `answer`. */
  | {
      readonly kind: 'asked';
      readonly id: number;
      readonly method: string;
      readonly message: Uint8Array;
    }
  /** Answers to a question of this worker. */
  | { readonly kind: 'answers'; readonly id: number; readonly answers: readonly Uint8Array[] };

export type FromWorker =
  /** It listens to what is said. */
  | { readonly kind: 'hello' }
  | { readonly kind: 'ready'; readonly grpc: HostPort; readonly remoting: HostPort | undefined }
  /** It cannot begin. */
  | {
      readonly kind: 'failed';
      readonly code: RmqError['code'];
      readonly text: string;
      readonly hint: string | undefined;
    }
  /** A question to all siblings; `answers` comes back, maybe empty. */
  | {
      readonly kind: 'ask';
      readonly id: number;
      readonly method: string;
      readonly message: Uint8Array;
    }
  | { readonly kind: 'answer'; readonly id: number; readonly message: Uint8Array };

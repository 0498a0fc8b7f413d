/**
 * What a command may touch: streams, clock, its cluster. The process itself stays behind `Host`, so
 * that a test runs a command without one.
 */
import type { AdminClient } from '../../client/admin-client.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Host, HostInput, HostOutput } from '../../platform/host.ts';
import type { HostPort } from '../../platform/network.ts';

export interface Output extends HostOutput {
  readonly hasColor: boolean;
}

export type OutputFormat = 'table' | 'json' | 'yaml' | 'name' | 'tsv';

export interface Context {
  readonly host: Host;
  readonly stdin: HostInput;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly clock: Clock;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** How rows are printed: as asked, else a table on a terminal and tab-separated elsewhere. */
  readonly format: OutputFormat;
  readonly isDryRun: boolean;
  /** NameServers asked for, with where that was said. */
  readonly namesrv: { readonly addresses: readonly HostPort[]; readonly origin: string };
  readonly timeoutMs: number;
  /** The admin client; made at the first call, closed when the command ends. */
  connect(): Promise<AdminClient>;
}

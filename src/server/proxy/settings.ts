/**
 * The clients of a proxy: their settings, their telemetry streams, when they were last heard of. Keyed
 * by client id, never by connection: a client behind one address may come over several
 * (facts/grpc-v2.md 10.2). Nothing here is needed to serve a client: whoever is unknown after a
 * restart is served all the same.
 */
import type { Clock, Timer } from '../../platform/clock.ts';
import type { HostPort } from '../../platform/network.ts';
import type { Settings, TelemetryCommandInit } from '../../protocol/grpc/generated/messages.ts';
import type { Call } from '../../transport/grpc/call.ts';

/** A client that was silent for longer is gone; must be over 30 s because of Rust. */
const clientWindowMs = 120_000;
const sweepIntervalMs = 10_000;
/** More clients than this and the longest silent one is forgotten. */
const clientCountMax = 100_000;

/** Where commands for a client go: its newest telemetry stream. */
export interface CommandSink {
  send(command: TelemetryCommandInit): void;
  /** Completes the stream; at shutdown only. */
  end(): void;
}

export class Client {
  readonly clientId: string;
  /** As the client sent them last; undefined for clients known by a heartbeat only. */
  settings: Settings | undefined = undefined;
  /** `ClientType` of the protocol; 0 while unknown. */
  clientType = 0;
  /** Consumer group, when known. */
  group = '';
  language = '';
  version = '';
  peer: HostPort;
  lastSeenMs = 0;
  sink: CommandSink | undefined = undefined;
  /** Topics of its transactions; kept by `producers.ts`. */
  publishedTopics: readonly string[] = [];

  constructor(clientId: string, peer: HostPort) {
    this.clientId = clientId;
    this.peer = peer;
  }
}

export class ClientRegistry {
  readonly #clients = new Map<string, Client>();
  readonly #clock: Clock;
  readonly #gone: (client: Client) => void;
  #timer: Timer | undefined = undefined;

  /** `gone` hears of every client that left or fell silent. */
  constructor(options: { readonly clock: Clock; readonly gone: (client: Client) => void }) {
    this.#clock = options.clock;
    this.#gone = options.gone;
  }

  start(): void {
    this.#timer = this.#clock.setTimer(sweepIntervalMs, () => {
      this.#sweep();
      this.start();
    });
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  get count(): number {
    return this.#clients.size;
  }

  /** All clients, the longest silent first. */
  all(): Iterable<Client> {
    return this.#clients.values();
  }

  get(clientId: string): Client | undefined {
    return this.#clients.get(clientId);
  }

  /** Notes that the client lives; makes it known when it was not. */
  touch(clientId: string, call: Call): Client {
    let client = this.#clients.get(clientId);
    if (client === undefined) {
      client = new Client(clientId, call.peer);
      client.language = call.header('x-mq-language') ?? '';
      client.version = call.header('x-mq-client-version') ?? '';
      this.#dropOldest();
    } else {
      // Behind the others, so that the map stays sorted by silence.
      this.#clients.delete(clientId);
    }
    this.#clients.set(clientId, client);
    client.lastSeenMs = this.#clock.monotonicMs();
    return client;
  }

  /** Forgets a client that said goodbye. Its stream stays open. */
  remove(clientId: string): void {
    const client = this.#clients.get(clientId);
    if (client === undefined) return;
    this.#clients.delete(clientId);
    this.#gone(client);
  }

  /** Sends a command to the client; false when it has no open stream. */
  command(clientId: string, command: TelemetryCommandInit): boolean {
    const sink = this.#clients.get(clientId)?.sink;
    sink?.send(command);
    return sink !== undefined;
  }

  #sweep(): void {
    const silentSinceMs = this.#clock.monotonicMs() - clientWindowMs;
    for (const client of this.#clients.values()) {
      if (client.lastSeenMs > silentSinceMs) return;
      this.remove(client.clientId);
    }
  }

  #dropOldest(): void {
    if (this.#clients.size < clientCountMax) return;
    const oldest = this.#clients.keys().next();
    if (oldest.done !== true) this.remove(oldest.value);
  }
}

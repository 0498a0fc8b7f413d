/**
 * Telemetry: the client says its settings, the server answers with what it decides; later the server
 * sends commands on the same stream (facts/grpc-v2.md §4). Answered without waiting for a broker for
 * longer than `groupLookupTimeoutMs`: several clients wait for it for ever.
 */
import {
  Code,
  decodeTelemetryCommand,
  encodeTelemetryCommand,
  Language,
  type RetryPolicyInit,
  type Settings,
  type SettingsInit,
  type TelemetryCommandInit,
} from '../../../protocol/grpc/generated/messages.ts';
import { liteTopicSizeMaxBytes } from '../../../protocol/message/lite-topic.ts';
import type { Call, DuplexMethod, InStream, OutStream } from '../../../transport/grpc/call.ts';
import { GrpcStatus } from '../../../transport/grpc/status.ts';
import type { GroupConfig, RetryPolicy } from '../../broker/api.ts';
import type { CommandSink } from '../settings.ts';
import { groupName, isLiteClient, topicName } from './names.ts';
import { identify, logFailure } from './rpc.ts';
import type { ServiceContext } from './service-context.ts';
import { okStatus, StatusError, statusOf } from './status.ts';
import {
  batchSizeMax,
  bodySizeMaxBytes,
  groupLookupTimeoutMs,
  pollingTimeMaxMs,
  sendAttemptCount,
  sendBackoffInitialMs,
  sendBackoffMaxMs,
  sendBackoffMultiplier,
} from './times.ts';

const settingsRepeatsMs: readonly number[] = [50, 500, 3_000];

export function telemetry(context: ServiceContext): DuplexMethod {
  return {
    kind: 'duplex',
    name: 'Telemetry',
    run: (call, out) => new TelemetryStream(context, call, out),
  };
}

class TelemetryStream implements InStream, CommandSink {
  readonly #context: ServiceContext;
  readonly #call: Call;
  readonly #out: OutStream;

  constructor(context: ServiceContext, call: Call, out: OutStream) {
    this.#context = context;
    this.#call = call;
    this.#out = out;
    // Rust waits for them.
    out.sendHeaders();
  }

  onMessage(message: Buffer): void {
    try {
      const { clientId } = identify(this.#call);
      const command = decodeTelemetryCommand(message);
      const client = this.#context.clients.touch(clientId, this.#call);
      if (command.settings === undefined) {
        return this.#context.commands.answered(clientId, command);
      }
      checkSettings(command.settings);
      client.settings = command.settings;
      client.sink = this;
      client.clientType = command.settings.clientType ?? client.clientType;
      const topics = command.settings.publishing?.topics ?? [];
      this.#context.producers.set(client, [...new Set(topics.map(({ name }) => name))]);
      const group = command.settings.subscription?.group?.name;
      if (group !== undefined && group !== '') client.group = group;
      this.#answer(command.settings);
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    logFailure(this.#context.logger, 'Telemetry', error);
    const status = statusOf(error);
    const isClientIdMissing = status.code === Code.CLIENT_ID_REQUIRED; // Said in band.
    if (isClientIdMissing) {
      this.#out.send(encodeTelemetryCommand({ status }));
      return this.#out.end();
    }
    const isClientsFault = (status.code ?? 0) < 50_000;
    const code = isClientsFault ? GrpcStatus.invalidArgument : GrpcStatus.internal;
    this.#out.fail(code, `process client telemetryCommand failed. ${status.message ?? ''}`);
  }

  #answer(settings: Settings): void {
    if (settings.subscription === undefined) {
      return this.#decided(settings, producerSettings(settings));
    }
    const { cluster, clock } = this.#context;
    let isAnswered = false;
    const answer = (group: GroupConfig | undefined): void => {
      if (isAnswered) return;
      isAnswered = true;
      clock.clearTimer(timer);
      this.#decided(settings, consumerSettings(settings, group));
    };
    const timer = clock.setTimer(groupLookupTimeoutMs, () => answer(undefined));
    cluster.group(settings.subscription.group?.name ?? '', (group) => {
      answer(group instanceof Error ? undefined : group);
    });
  }

  /**
   * The Node client begins to wait for its settings only after it has asked for the routes of all its
   * topics, and misses an answer that is quicker: it gets the same again.
   */
  #decided(asked: Settings, settings: SettingsInit): void {
    this.send({ status: okStatus, settings });
    if (asked.userAgent?.language !== Language.NODE_JS) return;
    for (const delayMs of settingsRepeatsMs) {
      this.#context.clock.setTimer(delayMs, () => this.send({ status: okStatus, settings }));
    }
  }

  send(command: TelemetryCommandInit): void {
    this.#out.send(encodeTelemetryCommand(command));
  }

  end(): void {
    this.#out.end();
  }

  onEnd(): void {
    this.#forget();
    this.#out.end();
  }

  onCancel(): void {
    this.#forget();
  }

  /** Settings stay good until the client is silent for too long or says goodbye. */
  #forget(): void {
    const clientId = this.#call.header('x-mq-client-id') ?? '';
    const client = this.#context.clients.get(clientId);
    if (client?.sink !== this) return;
    client.sink = undefined;
    this.#context.producers.remove(client);
    this.#context.lite.gone(client);
  }
}

/** An operator has changed a group: its connected consumers hear of it. */
export function pushGroupSettings({ clients }: ServiceContext, group: GroupConfig): void {
  for (const { settings, sink } of clients.all()) {
    if (settings?.subscription?.group?.name !== group.group) continue;
    sink?.send({ status: okStatus, settings: consumerSettings(settings, group) });
  }
}

/** @throws StatusError ILLEGAL_TOPIC, ILLEGAL_CONSUMER_GROUP */
function checkSettings(settings: Settings): void {
  if (settings.publishing === undefined && settings.subscription === undefined) {
    const text = 'there is no publishing or subscription data in settings';
    throw new StatusError(Code.BAD_REQUEST, text);
  }
  for (const topic of settings.publishing?.topics ?? []) topicName(topic);
  if (settings.subscription !== undefined) groupName(settings.subscription.group);
}

function producerSettings(settings: Settings): SettingsInit {
  return {
    ...settings,
    backoffPolicy: {
      maxAttempts: sendAttemptCount,
      exponentialBackoff: {
        initialMs: sendBackoffInitialMs,
        maxMs: sendBackoffMaxMs,
        multiplier: sendBackoffMultiplier,
      },
    },
    publishing: {
      topics: settings.publishing?.topics ?? [],
      maxBodySize: bodySizeMaxBytes,
      validateMessageType: true,
    },
    metric: { on: false },
  };
}

function consumerSettings(settings: Settings, group: GroupConfig | undefined): SettingsInit {
  const { subscription } = settings;
  const isLite = isLiteClient(settings.clientType);
  return {
    ...settings,
    backoffPolicy: backoffOf(group),
    subscription: {
      group: subscription?.group,
      subscriptions: subscription?.subscriptions ?? [],
      fifo: isLite || (group?.isOrdered ?? false),
      receiveBatchSize: batchSizeMax,
      longPollingTimeoutMs: pollingTimeMaxMs,
      liteSubscriptionQuota: isLite ? liteQuota(group) : undefined,
      maxLiteTopicSize: isLite ? liteTopicSizeMaxBytes : undefined,
    },
    metric: { on: false },
  };
}

/** A client with a quota of 0 would refuse every subscription by itself; facts/grpc-v2.md §12. */
function liteQuota(group: GroupConfig | undefined): number {
  return Number(group?.attributes['lite.sub.client.quota'] ?? 2_000);
}

const secondMs = 1_000;
/** The steps of a group that says nothing else; facts/grpc-v2.md 4.2. */
const defaultStepsMs: readonly number[] = [
  1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1_200, 1_800, 3_600, 7_200,
].map((seconds) => seconds * secondMs);

function backoffOf(group: GroupConfig | undefined): RetryPolicyInit {
  const maxAttempts = (group?.retryCountMax ?? 16) + 1;
  const policy: RetryPolicy = group?.retryPolicy ?? { type: 'CUSTOMIZED', nextMs: defaultStepsMs };
  if (policy.type === 'CUSTOMIZED') {
    return { maxAttempts, customizedBackoff: { nextMs: [...policy.nextMs] } };
  }
  const { initialMs, maxMs, multiplier } = policy;
  return { maxAttempts, exponentialBackoff: { initialMs, maxMs, multiplier } };
}

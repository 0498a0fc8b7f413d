/** Flags that the benchmarks share, and what they are parsed to. */
import type { Flag } from '../shared/command.ts';
import type { MessageTypeName } from './driver.ts';

export interface BenchOptions {
  readonly protocol: 'grpc' | 'remoting';
  readonly proxy?: string;
  readonly topic?: string;
  readonly topics: number;
  readonly queues: number;
  readonly type: MessageTypeName;
  readonly delay: number;
  readonly workers: number;
  readonly connections: number;
  readonly size: number;
  readonly batch: number;
  readonly warmup: number;
  readonly duration: number;
  readonly count?: number;
}

const many = Number.MAX_SAFE_INTEGER;
const dayMs = 24 * 3_600_000;

const targetFlags: readonly Flag[] = [
  {
    name: 'protocol',
    kind: { type: 'choice', choices: ['grpc', 'remoting'] },
    default: 'grpc',
    description: 'grpc: through a proxy, as 5.x clients; remoting: to the brokers, as 4.x clients',
  },
  {
    name: 'proxy',
    kind: { type: 'text', placeholder: 'HOST:PORT' },
    shownDefault: 'the first that the NameServer knows, else port 8081 beside it',
    description: 'gRPC address',
  },
  {
    name: 'topic',
    kind: { type: 'text', placeholder: 'TOPIC' },
    shownDefault: 'new ones, deleted at the end',
    description: 'topic that is there',
  },
  {
    name: 'topics',
    kind: { type: 'integer', min: 1, max: 10_000 },
    default: '1',
    description: 'how many new topics the load is spread over',
  },
  {
    name: 'queues',
    kind: { type: 'integer', min: 1, max: 1_024 },
    default: '4',
    description: 'queues of each new topic on each broker',
  },
];

const loadFlags: readonly Flag[] = [
  {
    name: 'type',
    kind: { type: 'choice', choices: ['NORMAL', 'FIFO', 'DELAY', 'TRANSACTION', 'PRIORITY'] },
    default: 'NORMAL',
    description: 'message type; FIFO: a message group a worker; TRANSACTION: sent, then committed',
  },
  {
    name: 'delay',
    kind: { type: 'duration', min: 1, max: 60_000 },
    default: '1s',
    description: 'when DELAY messages are due',
  },
  {
    name: 'connections',
    kind: { type: 'integer', min: 1, max: 1_000 },
    default: '4',
    description: 'connections that the workers share, at most one a worker',
  },
  {
    name: 'size',
    kind: { type: 'size', min: 1, max: 4 << 20 },
    default: '128',
    description: 'bytes of a body',
  },
  {
    name: 'duration',
    kind: { type: 'duration', min: 10, max: dayMs },
    default: '10s',
    description: 'measured time',
  },
  {
    name: 'warmup',
    kind: { type: 'duration', min: 0, max: dayMs },
    default: '1s',
    description: 'time before it that does not count',
  },
];

/** A flag of one benchmark, with what it means there. */
export function workersFlag(initial: number, description: string): Flag {
  return {
    name: 'workers',
    short: 'w',
    kind: { type: 'integer', min: 1, max: 10_000 },
    default: String(initial),
    description,
  };
}

export function batchFlag(initial: number, description: string): Flag {
  return {
    name: 'batch',
    kind: { type: 'integer', min: 1, max: 1_000 },
    default: String(initial),
    description,
  };
}

export function rateFlag(initial: string | undefined, description: string): Flag {
  return {
    name: 'rate',
    kind: { type: 'integer', min: 1, max: 1_000_000 },
    ...(initial === undefined ? {} : { default: initial }),
    description,
  };
}

export function countFlag(initial: string | undefined, description: string): Flag {
  return {
    name: 'count',
    kind: { type: 'integer', min: 1, max: many },
    ...(initial === undefined ? {} : { default: initial }),
    description,
  };
}

export function benchFlags(own: readonly Flag[]): readonly Flag[] {
  return [...targetFlags, ...own, ...loadFlags];
}

/** Answer body of RMQ_CLUSTER_MEMBERS (720003), an extension of ours: every machine that reports. */

export interface ClusterMember {
  readonly role: 'broker' | 'proxy';
  /** Broker name, proxy name. */
  readonly name: string;
  readonly clusterName: string;
  /** host:port that clients are told: Remoting of a broker, gRPC of a proxy. */
  readonly address: string;
  /** Brokers: 0 master. Proxies: 0. */
  readonly brokerId: number;
  /** When the NameServer heard of it last, Unix ms by the NameServer's clock. */
  readonly lastHeartbeatMs: number;
  /** Silence after which it is dropped. */
  readonly windowMs: number;
  /** Proxies: addresses by the client's network, `NETWORK=HOST:PORT;…`; else empty. */
  readonly advertise: string;
}

export function encodeClusterMembers(members: readonly ClusterMember[]): Buffer {
  return Buffer.from(JSON.stringify({ members }), 'utf8');
}

/** Reads the body; entries that lack something are left out. Text that is no JSON: none. */
export function decodeClusterMembers(body: Uint8Array): ClusterMember[] {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    return []; // a NameServer that speaks otherwise knows no members
  }
  const members = (value as { members?: unknown } | null)?.members; // unknown JSON, checked below
  if (!Array.isArray(members)) return [];
  return members.flatMap((member: unknown) => toMember(member) ?? []);
}

function toMember(value: unknown): ClusterMember | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Record<string, unknown>; // an object, by the line above
  const { role, name, clusterName, address } = fields;
  if (role !== 'broker' && role !== 'proxy') return undefined;
  if (typeof name !== 'string' || typeof address !== 'string') return undefined;
  return {
    role,
    name,
    clusterName: typeof clusterName === 'string' ? clusterName : '',
    address,
    brokerId: toNumber(fields['brokerId']),
    lastHeartbeatMs: toNumber(fields['lastHeartbeatMs']),
    windowMs: toNumber(fields['windowMs']),
    advertise: typeof fields['advertise'] === 'string' ? fields['advertise'] : '',
  };
}

function toNumber(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

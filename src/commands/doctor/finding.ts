/** What `rmq doctor` found; the JSON form is a contract. */

/** The worst first. */
export const severities = ['critical', 'warning', 'info'] as const;
export type Severity = (typeof severities)[number];

export interface Finding {
  /** critical: messages do not flow, or soon will not; warning: somebody should look; info: good to know. */
  readonly severity: Severity;
  /** What looked: nameserver, broker, proxy, disk, clock, version, topic, backlog, subscription, dead letters. */
  readonly check: string;
  /** The machine, topic or group. */
  readonly subject: string;
  readonly problem: string;
  readonly advice: string;
  /** Counts for the exit code. */
  readonly isFailing?: boolean;
}

/** Topics that are not the same everywhere. */

import type { Context } from '../shared/context.ts';
import { topicRows } from '../topic/topic-row.ts';
import type { Finding } from './finding.ts';

export async function topicFindings(context: Context): Promise<readonly Finding[]> {
  const admin = await context.connect();
  const masters = (await admin.masters()).map(({ brokerName }) => brokerName);
  if (masters.length < 2) return [];
  const shown = new Set(
    (await topicRows(admin)).filter((row) => !row.isSystem).map(({ topic }) => topic),
  );
  const findings: Finding[] = [];
  for (const [subject, configs] of await admin.listTopics()) {
    if (!shown.has(subject)) continue;
    const missing = masters.filter((name) => !configs.some((one) => one.brokerName === name));
    if (missing.length > 0) {
      findings.push({
        severity: 'warning',
        check: 'topic',
        subject,
        problem: `it is not on ${missing.join(', ')}: those brokers take no share, and without the others it is gone`,
        advice: `rmq topic create ${subject} makes it everywhere (name its --type and --queues)`,
      });
    }
    const types = new Set(configs.map(({ attributes }) => attributes['message.type'] ?? 'NORMAL'));
    if (types.size > 1) {
      findings.push({
        severity: 'warning',
        check: 'topic',
        subject,
        problem: `its type differs from broker to broker: ${[...types].join(', ')}`,
        advice: `rmq topic describe ${subject}, then rmq topic update`,
      });
    }
  }
  return findings;
}

/** `rmq doctor`: what is wrong with a cluster, and what to do about it. Looks only, on our clusters and Apache's. */
import { asRmqError, RmqError } from '../protocol/errors.ts';
import { backlogFindings, conflictFindings, deadLetterFindings } from './doctor/consumers.ts';
import { type Finding, type Severity, severities } from './doctor/finding.ts';
import { brokerFindings, nameserverFindings, proxyFindings } from './doctor/machines.ts';
import { topicFindings } from './doctor/topics.ts';
import type { Command } from './shared/command.ts';
import type { Context } from './shared/context.ts';

interface Options {
  readonly failOn: Severity;
}

export const doctor: Command<Options, Finding> = {
  summary: 'Find what is wrong with a cluster, and say what to do about it',
  impact: 'read',
  isRemote: true,
  flags: [
    {
      name: 'fail-on',
      kind: { type: 'choice', choices: severities },
      default: 'warning',
      description: 'exit code 1 from this severity on',
    },
  ],
  columns: [
    {
      title: 'SEVERITY',
      value: (row) => row.severity,
      style: ({ severity }) => {
        if (severity === 'critical') return 'bad';
        return severity === 'warning' ? 'warning' : 'dim';
      },
    },
    { title: 'CHECK', value: (row) => row.check },
    { title: 'SUBJECT', isName: true, value: (row) => row.subject, style: () => 'name' },
    { title: 'WHAT IS WRONG', value: (row) => row.problem },
    { title: 'WHAT TO DO', value: (row) => row.advice },
  ],
  examples: [
    ['rmq doctor', 'every check; exit code 1 when there is something to do'],
    ['rmq doctor --fail-on critical --output json', 'for a monitor'],
  ],
  async run(context, options) {
    const found = (await Promise.all(checks.map((check) => checked(context, check)))).flat();
    // The verdict sees rows only, so they say what counts.
    const failing = severities.indexOf(options.failOn);
    return found
      .map((one) => ({ ...one, isFailing: severities.indexOf(one.severity) <= failing }))
      .sort(
        (a, b) =>
          severities.indexOf(a.severity) - severities.indexOf(b.severity) ||
          (a.check + a.subject < b.check + b.subject ? -1 : 1),
      );
  },
  verdict(result) {
    const rows = result as readonly Finding[]; // run returns rows
    const failing = rows.filter(({ isFailing }) => isFailing);
    if (failing.length === 0) return undefined;
    const critical = failing.filter(({ severity }) => severity === 'critical').length;
    return new RmqError('UNHEALTHY', `${failing.length} findings, ${critical} of them critical`, {
      hint: 'the last column says what to do about each',
    });
  },
};

type Check = (context: Context) => Promise<readonly Finding[]>;

const checks: readonly (readonly [name: string, run: Check])[] = [
  ['nameserver', nameserverFindings],
  ['broker', brokerFindings],
  ['proxy', proxyFindings],
  ['topic', topicFindings],
  ['backlog', backlogFindings],
  ['subscription', conflictFindings],
  ['dead letters', deadLetterFindings],
];

/** What one check cannot see does not keep the others from looking; that nobody answers ends all. */
async function checked(
  context: Context,
  [name, run]: (typeof checks)[number],
): Promise<readonly Finding[]> {
  try {
    return await run(context);
  } catch (thrown) {
    const error = asRmqError(thrown);
    const hasAnswer = await context
      .connect()
      .then((admin) => admin.nameserver.brokers())
      .then(
        () => true,
        () => false, // Said by the error that is thrown on.
      );
    if (!hasAnswer) throw error;
    return [
      {
        severity: 'warning',
        check: name,
        subject: 'cluster',
        problem: `this check could not be made: ${error.message}`,
        advice: error.hint ?? 'rmq cluster health shows who answers',
        isFailing: true,
      },
    ];
  }
}

/**
 * HTTP/2's conformance suite, h2spec, against our own transport, plain and over TLS: `npm run h2spec`.
 *
 * Needs h2spec (`H2SPEC=/path/to/h2spec`), or Go, which fetches and builds it. Ends with
 * `N passed, N failed`; without either it says that it was skipped.
 */
import { execFile, execFileSync } from 'node:child_process';
import { EchoClient, runTransport } from '../support/grpc-transports.ts';

const version = 'v2.2.1+incompatible';
const source = `github.com/summerwind/h2spec/cmd/h2spec@${version}`;

/** The command that runs it; undefined when there is none. */
function command(): readonly string[] | undefined {
  const given = process.env['H2SPEC'];
  if (given !== undefined) return [given];
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
    return ['go', 'run', source];
  } catch {
    return undefined; // no Go
  }
}

function run(program: readonly string[], args: readonly string[]): Promise<string> {
  const [file = '', ...more] = program;
  return new Promise((resolve) => {
    // It ends with 1 when a test fails; its last lines say how many.
    execFile(file, [...more, ...args], { maxBuffer: 1 << 24 }, (_error, stdout, stderr) => {
      resolve(stdout + stderr);
    });
  });
}

const program = command();
if (program === undefined) {
  console.log('skipped: neither H2SPEC nor Go is here');
} else {
  const { transport, address } = await runTransport('own');
  let passed = 0;
  let failed = 0;
  for (const tls of [[], ['-t', '-k']]) {
    const text = await run(program, ['-h', address.host, '-p', String(address.port), ...tls]);
    const [, total, passes] = /(\d+) tests, (\d+) passed/.exec(text) ?? [];
    console.log(
      `${tls.length === 0 ? 'plain' : 'TLS'}: ${total ?? 'no'} tests, ${passes ?? 0} passed`,
    );
    if (total === undefined || total !== passes) {
      console.log(text.slice(text.lastIndexOf('Failures:')).slice(0, 5_000));
    }
    passed += Number(passes ?? 0);
    failed += total === undefined ? 1 : Number(total) - Number(passes);
  }
  const client = new EchoClient(address);
  const answer = await client.unary('Echo', Buffer.from('alive'));
  if (answer.toString() !== 'alive') failed += 1;
  client.close();
  transport.close();
  transport.closePort();
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

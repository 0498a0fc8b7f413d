/** The examples of the README do what it says, against a server as a user starts it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { createTopic } from '../support/create-topic.ts';
import { startProcess } from '../support/processes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** The code block that follows `title`. */
function blockAfter(title: string, language: string): string {
  const at = readme.indexOf(title);
  const [, code] =
    new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readme.slice(at)) ?? [];
  if (at < 0 || code === undefined) throw new Error(`no ${language} block after ${title}`);
  return code;
}

/** Runs a program as if it lay in the project's folder. */
async function runProgram(code: string, environment: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module'], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let text = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  child.stdin.end(code);
  const [status] = (await once(child, 'close')) as [number | null];
  expect(status, errors).toBe(0);
  return text;
}

it('the Node.js client sends and receives', async () => {
  const server = await startProcess(['--memory']);
  onTestFinished(() => server.stop());
  await createTopic(String(server.ready.broker), 'greetings', 8);
  const code = blockAfter('### Node.js', 'js');
  const out = await runProgram(code, { RMQ_GRPC: String(server.ready.grpc) });
  expect(out.split('\n')).toContain('hello');
}, 60_000);

it('the library starts a server and stops it at the end of the block', async () => {
  const out = await runProgram(blockAfter('## As a library', 'js'), {});
  expect(out).toMatch(/^127\.0\.0\.1:\d+\nhello\n$/);
}, 60_000);

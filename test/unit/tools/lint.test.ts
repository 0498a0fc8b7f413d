/**
 * A rule that cannot fail is a defect: each case breaks one on purpose, in a project of its own
 * with our configuration, and sees that rule fire, and no other.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { objection, rowOf, rows } from '../../../scripts/lint/arrows.ts';

const root = new URL('../../../', import.meta.url).pathname;

const lines = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n');

/** What breaks, by rule: the file's path and text. */
const broken: Readonly<Record<string, { path: string; text: string }>> = {
  'typescript/no-floating-promises': {
    path: 'src/util/floating.ts',
    text: 'async function work(): Promise<void> {}\nexport function start(): void {\n  work();\n}\n',
  },
  'typescript/no-misused-promises': {
    path: 'src/util/misused.ts',
    text: 'export function each(list: number[], work: (n: number) => Promise<void>): void {\n  list.forEach(async (n) => {\n    await work(n);\n  });\n}\n',
  },
  'typescript/await-thenable': {
    path: 'src/util/thenable.ts',
    text: 'export async function wait(five: () => number): Promise<number> {\n  return await five();\n}\n',
  },
  'typescript/switch-exhaustiveness-check': {
    path: 'src/util/exhaustive.ts',
    text: "export function name(role: 'a' | 'b'): string {\n  switch (role) {\n    case 'a':\n      return 'A';\n  }\n  return '';\n}\n",
  },
  'typescript/only-throw-error': {
    path: 'src/util/throws.ts',
    text: "export function fail(): never {\n  throw 'text';\n}\n",
  },
  'typescript/no-explicit-any': {
    path: 'src/util/any.ts',
    text: 'export function same(value: any): unknown {\n  return value;\n}\n',
  },
  'typescript/consistent-type-imports': {
    path: 'src/util/type-import.ts',
    text: "import { Thing } from './thing.ts';\nexport function same(thing: Thing): Thing {\n  return thing;\n}\n",
  },
  'import/no-cycle': {
    path: 'src/util/cycle-a.ts',
    text: "import { b } from './cycle-b.ts';\nexport const a = (): number => b() + 1;\n",
  },
  'import/no-default-export': { path: 'src/util/default.ts', text: 'export default 5;\n' },
  'eslint/no-console': { path: 'src/util/console.ts', text: "console.log('text');\nexport {};\n" },
  'eslint/eqeqeq': {
    path: 'src/util/equal.ts',
    text: 'export const same = (a: unknown, b: unknown): boolean => a == b;\n',
  },
  'eslint/max-lines': {
    path: 'src/util/long-file.ts',
    text: lines(601, (index) => `export const a${index} = ${index};`),
  },
  'eslint/max-lines-per-function': {
    path: 'src/util/long-function.ts',
    text: `export function long(): number {\n  let a = 0;\n${lines(70, () => '  a += 1;')}\n  return a;\n}\n`,
  },
  'eslint/no-restricted-globals': {
    path: 'src/server/store/timer.ts',
    text: 'export function later(run: () => void): void {\n  setTimeout(run, 5);\n}\n',
  },
  'eslint/no-restricted-properties': {
    path: 'src/server/store/now.ts',
    text: 'export const nowMs = (): number => Date.now();\n',
  },
  'eslint/no-unused-vars': {
    path: 'scripts/unused.ts',
    text: 'const unused = 5;\nexport {};\n',
  },
  'vitest/no-focused-tests': {
    path: 'test/focused.test.ts',
    text: "import { expect, it } from 'vitest';\nit.only('one', () => {\n  expect(1).toBe(1);\n});\n",
  },
  'rmq/arrows': {
    path: 'src/server/store/arrow.ts',
    text: "export type { Thing } from '../broker/thing.ts';\n",
  },
};

/** What looks alike and is allowed. */
const fine: Readonly<Record<string, string>> = {
  'src/util/thing.ts': 'export interface Thing {\n  readonly name: string;\n}\n',
  'src/util/cycle-b.ts': "import { a } from './cycle-a.ts';\nexport const b = (): number => a();\n",
  'src/server/broker/thing.ts':
    "import type { Thing } from '../../util/thing.ts';\nexport const format = (ms: number): string => new Date(ms).toISOString();\nexport type { Thing };\n",
  'src/platform/node-thing.ts':
    "import { stat } from 'node:fs/promises';\nexport const nowMs = (): number => Date.now() + Math.random();\nexport const size = async (path: string): Promise<number> => (await stat(path)).size;\n",
  'vitest.config.ts': 'export default {};\n',
};

interface Finding {
  readonly code: string;
  readonly filename: string;
}

describe('lint', () => {
  let folder = '';
  let findings: Finding[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rmq-lint-'));
    const files = { ...fine };
    for (const { path, text } of Object.values(broken)) files[path] = text;
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(folder, dirname(path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    for (const path of ['oxlint.config.ts', 'tsconfig.json', 'package.json', 'scripts/lint']) {
      await cp(join(root, path), join(folder, path), { recursive: true });
    }
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    const oxlint = join(root, 'node_modules/.bin/oxlint');
    const environment = {
      ...process.env,
      PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH']}`,
    };
    // It exits 1 because there are findings; the output is what counts.
    const run = promisify(execFile)(
      oxlint,
      ['-f', 'json', 'src', 'test', 'scripts', 'vitest.config.ts'],
      { cwd: folder, env: environment, maxBuffer: 1e8 },
    ).catch((error: { stdout: string }) => error);
    const report = JSON.parse((await run).stdout) as {
      diagnostics: Array<{ code: string; filename: string }>;
    };
    findings = report.diagnostics.map(({ code, filename }) => ({
      code: code.replace(/^(.*)\((.*)\)$/, '$1/$2'),
      filename,
    }));
  }, 60_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(Object.entries(broken))('%s fires', (rule, { path }) => {
    expect(findings.filter((finding) => finding.filename === path)).toEqual(
      expect.arrayContaining([expect.objectContaining({ code: rule })]),
    );
    const others = findings.filter((one) => one.filename === path && one.code !== rule);
    expect(others).toEqual([]);
  });

  it('leaves alone what is right', () => {
    const paths = Object.keys(fine).filter((path) => !path.includes('cycle'));
    expect(findings.filter((finding) => paths.includes(finding.filename))).toEqual([]);
  });
});

describe('import arrows', () => {
  it.each([
    ['util/a.ts', '../platform/clock.ts'],
    ['protocol/message/a.ts', '../../transport/a.ts'],
    ['protocol/message/a.ts', '../../platform/clock.ts'],
    ['platform/a.ts', '../protocol/message/message.ts'],
    ['transport/a.ts', '../client/a.ts'],
    ['client/a.ts', '../server/shared/settings.ts'],
    ['commands/topic/list.ts', '../../server/start.ts'],
    ['commands/start.ts', '../server/broker/broker.ts'],
    ['server/shared/a.ts', '../store/message-store.ts'],
    ['server/store/log/a.ts', '../../broker/api.ts'],
    ['server/store/a.ts', '../remoting/handler.ts'],
    ['server/nameserver/a.ts', '../broker/api.ts'],
    ['server/broker/delivery/a.ts', '../remoting/send.ts'],
    ['server/broker/delivery/a.ts', '../../remoting/handler.ts'],
    ['server/broker/broker.ts', '../../transport/connection.ts'],
    ['server/proxy/grpc/a.ts', '../../broker/broker.ts'],
    ['server/proxy/a.ts', '../store/message-store.ts'],
    ['server/proxy/a.ts', '../start.ts'],
    ['server/store/a.ts', 'node:fs'],
    ['server/store/a.ts', 'net'],
    ['commands/send.ts', 'node:fs/promises'],
    ['server/store/a.ts', '@grpc/grpc-js'],
    ['server/broker/a.ts', 'level'],
    ['server/start.ts', 'react'],
    ['util/a.ts', '../../test/support/server.ts'],
    ['elsewhere/a.ts', './b.ts'],
  ])('%s may not import %s', (file, specifier) => {
    expect(objection(file, specifier)).toEqual(expect.any(String));
  });

  it.each([
    ['protocol/remoting/headers/a.ts', '../frame.ts'],
    ['protocol/message/a.ts', '../../util/assert.ts'],
    ['platform/node-files.ts', 'node:fs/promises'],
    ['platform/node-files.ts', '../protocol/errors.ts'],
    ['client/a.ts', '../transport/connection.ts'],
    ['commands/topic/list.ts', '../../client/admin.ts'],
    ['commands/start.ts', '../server/start.ts'],
    ['cli.ts', './commands/start.ts'],
    ['commands/tree.ts', './start.ts'],
    ['index.ts', './server/start.ts'],
    ['server/start.ts', './broker/remoting/send.ts'],
    ['server/store/index/a.ts', 'level'],
    ['server/store/log/a.ts', '../../shared/limits.ts'],
    ['server/broker/delivery/a.ts', '../../store/message-store.ts'],
    ['server/broker/remoting/a.ts', '../broker.ts'],
    ['server/broker/remoting/a.ts', '../../remoting/handler.ts'],
    ['server/proxy/grpc/a.ts', '../../broker/api.ts'],
    ['server/proxy/grpc/a.ts', '@grpc/grpc-js'],
    ['server/proxy/remote-broker.ts', '../../client/remoting-client.ts'],
    ['server/nameserver/a.ts', 'node:path'],
  ])('%s may import %s', (file, specifier) => {
    expect(objection(file, specifier)).toBeUndefined();
  });

  it('has a row for every file of src', async () => {
    const files = await readdir(join(root, 'src'), { recursive: true });
    const code = files.filter((file) => /\.tsx?$/.test(file));
    expect(code.filter((file) => rowOf(file) === undefined)).toEqual([]);
    expect(new Set(rows.map((row) => row.of)).size).toBe(rows.length);
  });
});

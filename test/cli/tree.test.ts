/** Every command of the tree is complete, and its help says what it can do. */
import { describe, expect, test } from 'vitest';
import { allFlags } from '../../src/commands/shared/flags.ts';
import { allCommands } from '../../src/commands/tree.ts';
import { rmq } from '../support/cli.ts';
import { rmqHere } from '../support/here.ts';

const commands = await allCommands();

describe.each(commands.map(({ path, command }) => ({ name: path.join(' '), path, command })))(
  'rmq $name',
  ({ name, path, command }) => {
    test('has a summary, examples and an impact', () => {
      expect(command.summary).toMatch(/^[A-Z].*[^.]$/);
      expect(['read', 'change', 'destroy']).toContain(command.impact);
      expect(command.examples.length).toBeGreaterThanOrEqual(2);
      for (const [line] of command.examples) expect(line).toContain(`rmq ${name}`);
      if (command.impact === 'destroy') expect(command.confirmation).toBeDefined();
    });

    test('has flags that are described and do not collide', () => {
      const flags = allFlags(command);
      const names = flags.flatMap((flag) => [
        flag.name,
        ...(flag.short === undefined ? [] : [flag.short]),
      ]);
      expect(new Set(names).size).toBe(names.length);
      for (const flag of flags) expect(flag.description).toMatch(/[^.]$/);
    });

    test('shows all of it in --help', async () => {
      const { code, stdout, stderr } = await rmqHere([...path, '--help'], {});
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain(`${command.summary}.`);
      for (const flag of allFlags(command)) {
        expect(stdout).toContain(`--${flag.name}`);
        if (flag.environment !== undefined) expect(stdout).toContain(flag.environment);
      }
      for (const [line] of command.examples) expect(stdout).toContain(line);
    });
  },
);

describe('rmq', () => {
  test('--version prints the version alone', async () => {
    const { code, stdout, stderr } = await rmq(['--version']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('--help lists every command', async () => {
    const { code, stdout } = await rmq(['--help']);
    expect(code).toBe(0);
    for (const { path } of commands) expect(stdout).toContain(`  ${path[0]} `);
  });

  test('an unknown command is usage, with the nearest one', async () => {
    const { code, stdout, stderr } = await rmq(['topc', 'list']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe('error: there is no command rmq topc\nhint: did you mean rmq topic?\n');
    expect((await rmq(['topic', 'lits'])).stderr).toContain('did you mean rmq topic list?');
  });

  test('an unknown flag is usage, with the nearest one and the usage line', async () => {
    const { code, stdout, stderr } = await rmq(['topic', 'create', 'a', '--queus', '3']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      "error: unknown option '--queus'\nhint: did you mean --queues?\nusage: rmq topic create TOPIC [flags]\n",
    );
  });

  test('a wrong value names the flag or the variable, the value and what is allowed', async () => {
    const flag = await rmq(['topic', 'create', 'a', '--queues', 'many']);
    expect(flag.code).toBe(2);
    expect(flag.stderr).toContain('--queues: "many" is not allowed: 1 to 4096');
    const variable = await rmq(['topic', 'list'], { env: { RMQ_TIMEOUT: 'soon' } });
    expect(variable.code).toBe(2);
    expect(variable.stderr).toContain('RMQ_TIMEOUT: "soon" is not allowed');
  });

  test('an unreachable cluster is exit 3, in one line and as JSON', async () => {
    const args = ['topic', 'list', '--namesrv', '127.0.0.1:1'];
    const { code, stdout, stderr } = await rmq(args);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toMatch(/^error: .*127\.0\.0\.1:1.*\nhint: .*\n$/);
    const json = await rmq([...args, '--output', 'json']);
    expect(json.code).toBe(3);
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'CANNOT_CONNECT' } });
  });

  test('colour comes only when asked for without a terminal', async () => {
    const plain = await rmq(['--help']);
    expect(plain.stdout).not.toContain('\u001b');
    const forced = await rmq(['--help'], { env: { FORCE_COLOR: '1' } });
    expect(forced.stdout).toContain('\u001b[1m');
    const both = await rmq(['--help'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    expect(both.stdout).not.toContain('\u001b');
  });
});

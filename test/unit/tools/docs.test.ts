import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { staleDocs } from '../../../scripts/generate-docs.ts';
import { allCommands } from '../../../src/commands/tree.ts';
import { environmentName, flagName, settings } from '../../../src/server/shared/config-table.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

const pages = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

describe('docs', () => {
  it('have a reference that says what the code says', async () => {
    expect(await staleDocs()).toEqual([]);
  });

  it.each(pages)('%s names files that exist', (page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const named = [...text.matchAll(/`((?:src|test|scripts|bin|proto|docs|\.ci)\/[^`\s*]*)`/g)];
    const paths = named.map(([, path = '']) => path);
    const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)];
    const targets = links.map(([, target = '']) => join(dirname(page), target));
    const missing = [...paths, ...targets].filter((path) => !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });

  it('use commands and flags that exist', async () => {
    const commands = await allCommands();
    const common = ['namesrv', 'timeout', 'output', 'color', 'help', 'version', 'debug', 'yes'];
    const serverFlags = settings.flatMap((setting) => [flagName(setting), `--${setting.key}`]);
    const wrong: string[] = [];
    for (const page of pages) {
      const text = readFileSync(join(root, page), 'utf8');
      for (const [line, words = ''] of text.matchAll(/^ *npx rmq (.*)$/gm)) {
        const found = commands.find(({ path }) => words.startsWith(path.join(' ')));
        const own = found?.command.flags.map((flag) => `--${flag.name}`) ?? [];
        const allowed = [...own, ...common.map((name) => `--${name}`)];
        if (found?.path[0] === 'start') allowed.push(...serverFlags);
        const flags = words.match(/--[a-z-]+/g) ?? [];
        if (found === undefined || flags.some((flag) => !allowed.includes(flag))) wrong.push(line);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('name each setting of a server', () => {
    const page = readFileSync(join(root, 'docs/reference/config.md'), 'utf8');
    for (const setting of settings) expect(page).toContain(environmentName(setting.key));
  });
});

/**
 * Makes dist/: the command line and the library, each bundled by esbuild and split where the code
 * imports lazily, and the library's types. `prepare` runs it, also under an older Node.
 *
 *   node scripts/build.mjs            everything
 *   node scripts/build.mjs --no-types the code alone (0.3 s)
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

// In an installed package there is nothing to build from: dist came with it.
if (!existsSync(join(root, 'src/cli.ts'))) process.exit(0);

const { build } = await import('esbuild');
const { generateGrpc } = await import('./generate-grpc.mjs');
await generateGrpc();

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

async function bundle() {
  const folder = join(root, `dist.${process.pid}`);
  await build({
    absWorkingDir: root,
    entryPoints: { cli: 'src/cli.ts', index: 'src/index.ts' },
    outdir: folder,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.12',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'linked',
    jsx: 'automatic',
    define: {
      'process.env.RMQ_BUILD_VERSION': JSON.stringify(version),
      // React for users: half the time and no records of every draw.
      'process.env.NODE_ENV': '"production"',
    },
    // Native code finds its files beside itself; the devtools of Ink are for nobody here.
    external: ['level', 'classic-level', 'memory-level', 'react-devtools-core'],
    // CommonJS packages inside the bundle ask for Node's modules with require.
    banner: {
      js: "import{createRequire as __rmqRequire}from'node:module';const require=__rmqRequire(import.meta.url);",
    },
  });
  // Replaced in one step: a command that starts meanwhile finds the old one or the new one.
  const target = join(root, 'dist');
  const types = join(target, 'types');
  if (existsSync(types)) renameSync(types, join(folder, 'types'));
  const old = `${folder}.old`;
  if (existsSync(target)) renameSync(target, old);
  renameSync(folder, target);
  rmSync(old, { recursive: true, force: true });
}

async function declareTypes() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  await promisify(execFile)(process.execPath, [tsc, '-p', 'scripts/tsconfig.types.json'], {
    cwd: root,
  }).catch((error) => {
    throw new Error(`types of the library:\n${error.stdout ?? error}`);
  });
}

await bundle();
if (!process.argv.includes('--no-types')) await declareTypes();

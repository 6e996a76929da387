// Builds the addon with CMake, as npm's install script: build/octavo.node. It takes an octavo that
// is installed (OCTAVO_PREFIX=folder, or where CMake looks by itself), or the project's own build.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const tree = join(folder, 'build', 'cmake');

function run(...args) {
  const { status, error } = spawnSync('cmake', args, { stdio: 'inherit' });
  if (error !== undefined) {
    console.error(`octavo: cannot run cmake (${error.message}); install CMake 3.22 or later`);
    process.exit(1);
  }
  if (status !== 0) process.exit(status ?? 1);
}

const settings = [`-DOCTAVO_NODE_PROGRAM=${process.execPath}`];
if (process.env.OCTAVO_PREFIX) {
  // npm runs this in the package's folder, and says where it was called itself.
  const prefix = resolve(process.env.INIT_CWD ?? '.', process.env.OCTAVO_PREFIX);
  settings.push(`-DCMAKE_PREFIX_PATH=${prefix}`);
}
mkdirSync(tree, { recursive: true });
run('-S', folder, '-B', tree, ...settings);
run('--build', tree, '--parallel', String(availableParallelism?.() ?? cpus().length));

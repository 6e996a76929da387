// npm installs the package, which builds itself against an installed octavo, and an application
// imports it. No network is asked for.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { packageFolder, temporaryFolder } from './support.js';

const isThere = spawnSync('npm', ['--version']).error === undefined;

/** Runs a program that must succeed. */
function succeed(folder, environment, program, ...args) {
  const env = { ...process.env, ...environment };
  delete env.OCTAVO_NODE_ADDON;
  const run = spawnSync(program, args, { cwd: folder, env, encoding: 'utf8' });
  assert.equal(run.error, undefined);
  assert.equal(run.status, 0, `${program} ${args.join(' ')}\n${run.stdout}${run.stderr}`);
  return run.stdout;
}

/** The package as it would be packed. */
function copyPackage(folder) {
  const copy = join(folder, 'package');
  const { files } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  for (const name of ['package.json', ...files]) {
    cpSync(join(packageFolder, name), join(copy, name), { recursive: true });
  }
  return copy;
}

test('npm install builds it', { skip: isThere ? false : 'npm is missing' }, (t) => {
  const folder = temporaryFolder(t);
  const prefix = join(folder, 'prefix');
  const { OCTAVO_CMAKE: cmake, OCTAVO_BUILD_DIR: tree } = process.env;
  succeed(folder, {}, cmake, '--install', tree, '--prefix', prefix);
  const copy = copyPackage(folder);
  const app = join(folder, 'app');
  const main = `import { Model } from 'octavo';
    const session = (await Model.open(process.env.OCTAVO_TEST_MODEL)).createSession();
    const options = { maxTokens: 8, sampling: { temperature: 0 } };
    console.log(await session.generate('Once', options).text());`;
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{"name": "app", "type": "module"}');
  writeFileSync(join(app, 'main.js'), main);
  succeed(app, { OCTAVO_PREFIX: prefix, npm_config_cache: join(folder, 'cache') },
    'npm', 'install', '--offline', '--no-audit', '--no-fund', '--no-update-notifier', copy);
  const expected = succeed(folder, {}, process.env.OCTAVO_PROGRAM, 'run',
    process.env.OCTAVO_TEST_MODEL, '-p', 'Once', '-n', '8', '--temp', '0');
  assert.equal(succeed(app, {}, process.execPath, 'main.js').trimEnd(), expected.trimEnd());
});

test('without octavo the build says what to do', (t) => {
  const copy = copyPackage(temporaryFolder(t));
  const run = spawnSync(process.execPath, ['build.js'], {
    cwd: copy,
    encoding: 'utf8',
    env: { ...process.env, OCTAVO_PREFIX: '' },
  });
  // An octavo that is installed in the system is found, and that is well, too.
  const expected = /liboctavo is neither installed nor\s+built/;
  if (run.status !== 0) assert.match(run.stdout + run.stderr, expected);
});

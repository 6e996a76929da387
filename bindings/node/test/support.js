// What the tests share. CMake names the model (pocket-mixtral as q4_k), the program and the addon.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Model } from 'octavo';

export const modelPath = process.env.OCTAVO_TEST_MODEL;
export const packageFolder = fileURLToPath(new URL('..', import.meta.url));

export const openModel = () => Model.open(modelPath);

/** A folder that is removed when the test ends. */
export function temporaryFolder(test) {
  const folder = mkdtempSync(join(tmpdir(), 'octavo-node-'));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What the program writes to its standard output. */
export function runProgram(...args) {
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] };
  return execFileSync(process.env.OCTAVO_PROGRAM, args, options);
}

/** Runs a module's text in a process of its own, with `model` and the package's names there. */
export function runModule(text, ...flags) {
  const source = `
    import * as octavo from 'octavo';
    const model = await octavo.Model.open(process.env.OCTAVO_TEST_MODEL);
    const ids = Int32Array.from({ length: 2000 }, (_, i) => 3 + (i % 1000));
    ${text}`;
  return spawnSync(process.execPath, [...flags, '--input-type=module', '--eval', source], {
    cwd: packageFolder,
    encoding: 'utf8',
  });
}

/** Ids, as many as wanted, of no meaning. */
export function someIds(count) {
  return Int32Array.from({ length: count }, (_, i) => 3 + ((i * 37) % 1000));
}

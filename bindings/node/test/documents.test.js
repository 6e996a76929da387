// The programs in the documents run.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { modelPath, packageFolder, temporaryFolder } from './support.js';

function expectProgramsRun(t, document, count) {
  const text = readFileSync(join(packageFolder, document), 'utf8');
  const programs = [...text.matchAll(/^```js\n(.*?)^```/gms)].map((match) => match[1]);
  assert.equal(programs.length, count);
  const folder = temporaryFolder(t);
  symlinkSync(modelPath, join(folder, 'mixtral.8vo'));
  for (const program of programs) {
    // The package is found from its own folder; files are in the other one.
    const source = `process.chdir(${JSON.stringify(folder)});\n${program}`;
    const run = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
      cwd: packageFolder,
      encoding: 'utf8',
    });
    assert.deepEqual([run.status, run.stderr], [0, ''], program);
    assert.notEqual(run.stdout, '', program);
  }
}

test('of the package', (t) => expectProgramsRun(t, 'README.md', 1));

test('of the bindings', (t) => expectProgramsRun(t, '../../docs/bindings.md', 1));

// The types are those of TypeScript's strictest settings; test/types.ts uses them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

import * as octavo from 'octavo';

const project = fileURLToPath(new URL('tsconfig.json', import.meta.url));
const isThere = spawnSync('tsc', ['--version']).error === undefined;
const skip = isThere ? false : 'tsc is missing (package node-typescript)';

test('the types compile', { skip }, () => {
  const run = spawnSync('tsc', ['--project', project], { encoding: 'utf8' });
  assert.equal(run.stdout + run.stderr, '');
  assert.equal(run.status, 0);
});

test('what the types name is there', () => {
  const values = ['Generation', 'Model', 'OctavoError', 'Sampler', 'Session', 'guardrailPrompt',
    'logprobs', 'version'];
  assert.deepEqual(Object.keys(octavo).sort(), values.sort());
});

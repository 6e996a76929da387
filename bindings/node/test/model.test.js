// Models: what they are, and text and ids.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { Model, OctavoError, guardrailPrompt, version } from 'octavo';

import { modelPath, openModel, runProgram, temporaryFolder } from './support.js';

test('the package has the version of the library', () => {
  const about = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  assert.equal(version, about.version);
  assert.match(guardrailPrompt, /^Always assist with care/);
});

test('a model says what it is', async () => {
  const model = await openModel();
  const { info } = model;
  assert.equal(info.architecture, 'mixtral');
  assert.equal(info.format, 'q4_k');
  assert.deepEqual(
    [info.dim, info.layers, info.heads, info.kvHeads, info.headDim, info.ffnDim],
    [256, 6, 8, 2, 32, 256],
  );
  assert.deepEqual([info.experts, info.expertsPerToken, info.vocab], [8, 2, 4096]);
  assert.deepEqual([info.bos, info.eos, info.window, info.hasTokenizer], [1, 2, 0, true]);
  assert.equal(model.chatTemplate, '');
  assert.throws(() => { info.vocab = 1; }, TypeError);
});

test('text becomes the ids of the program, and text again', async () => {
  const model = await openModel();
  for (const text of ['Once upon a time', 'a\0b', 'Grüße, 世界 🙂', '']) {
    const ids = model.tokenize(text);
    assert.ok(ids instanceof Int32Array);
    assert.equal(ids[0], 1);
    assert.deepEqual(model.tokenize(text, { bos: false }), ids.subarray(1));
    assert.equal(model.detokenize(ids), text);
    assert.equal(model.detokenize([...ids]), text);
    if (text.includes('\0') || text === '') continue;
    const printed = runProgram('tokenize', modelPath, '-p', text, '--ids');
    assert.deepEqual(printed.match(/\d+/g).map(Number), [...ids]);
  }
  const long = 'word and word '.repeat(5000);
  assert.equal(model.detokenize(model.tokenize(long)), long);
});

test('a conversation is encoded piece by piece', async () => {
  const model = await openModel();
  const piece = (text) => [...model.tokenize(text, { bos: false })];
  const options = { template: 'mistral-v1' };
  const messages = [{ role: 'user', content: 'Hello' }];
  const asked = [...model.encodeChat(messages, options)];
  assert.deepEqual(asked, [1, ...piece('[INST] Hello [/INST]')]);
  messages.push({ role: 'assistant', content: 'Hi' }, { role: 'user', content: 'Bye' });
  assert.deepEqual(
    [...model.encodeChat(messages, options)],
    [...asked, ...piece('Hi'), 2, ...piece('[INST] Bye [/INST]')],
  );
  const begun = [...messages.slice(0, 2)];
  assert.deepEqual([...model.encodeChat(begun, { ...options, continueFinal: true })],
    [...asked, ...piece('Hi')]);
  assert.throws(() => model.encodeChat([{ role: 'robot', content: '' }], options), OctavoError);
  assert.throws(() => model.encodeChat([{ role: 'user' }], options), TypeError);
  assert.throws(() => model.encodeChat('Hello', options), TypeError);
});

test('what cannot be opened says why', async (t) => {
  const folder = temporaryFolder(t);
  await assert.rejects(Model.open(join(folder, 'none.8vo')), (error) => {
    assert.ok(error instanceof OctavoError && error instanceof Error);
    assert.equal(error.name, 'OctavoError');
    assert.equal(error.code, 'IO');
    assert.match(error.message, /none\.8vo: No such file/);
    return true;
  });
  const cut = join(folder, 'cut.8vo');
  writeFileSync(cut, readFileSync(modelPath).subarray(0, 10000));
  await assert.rejects(Model.open(cut), { code: 'FORMAT' });
  await assert.rejects(Model.open(modelPath, { device: 'abacus' }), OctavoError);
  await assert.rejects(Model.open('a\0b'), TypeError);
  await assert.rejects(Model.open(), TypeError);
  assert.throws(() => new Model(), TypeError);
});

test('a closed model is refused; its sessions live on', async () => {
  const model = await openModel();
  const session = model.createSession({ threads: 1 });
  await model.close();
  await model.close();
  const closed = { code: 'INVALID_HANDLE', message: 'the model is closed' };
  assert.throws(() => model.tokenize('x'), closed);
  assert.throws(() => model.createSession(), { code: 'INVALID_HANDLE' });
  assert.equal(model.info.vocab, 4096);
  assert.equal((await session.feed([1, 2])).length, 4096);
});

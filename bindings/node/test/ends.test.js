// How generating ends: by the reader, by signals, by failures, by closing.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { OctavoError } from 'octavo';

import { openModel, someIds } from './support.js';

const story = 'Once upon a time';
const greedy = { temperature: 0 };
let model;
before(async () => { model = await openModel(); });

test('leaving the loop ends it and waits', async () => {
  const session = model.createSession({ threads: 1 });
  const ids = [];
  const generation = session.generate(story, { maxTokens: -1, sampling: greedy });
  for await (const token of generation) {
    ids.push(token.id);
    if (ids.length === 5) break;
  }
  assert.equal((await generation.result).reason, 'cancelled');
  assert.deepEqual([...session.tokens], [...model.tokenize(story), ...ids.slice(0, 4)]);
  // An exception does the same.
  const failing = session.generate([ids[4]], { maxTokens: -1 });
  await assert.rejects(async () => {
    for await (const token of failing) throw new Error(`reader of ${token.id}`);
  }, /reader/);
  assert.equal(session.position, 10);
});

test('cancel ends a text like any other end', async () => {
  const session = model.createSession({ threads: 1 });
  const generation = session.generate(story, { maxTokens: -1 });
  let count = 0;
  for await (const token of generation) {
    assert.ok(token.id >= 0);
    if (++count === 3) session.cancel();
  }
  const result = await generation.result;
  assert.deepEqual([count, result.reason, result.generatedTokens], [3, 'cancelled', 3]);
  session.cancel();  // nothing is at work
  const unread = session.generate(story, { maxTokens: -1 });
  unread.cancel();
  assert.equal((await unread.result).reason, 'cancelled');
});

test('a signal ends a text by its reason', async () => {
  const session = model.createSession({ threads: 1 });
  const controller = new AbortController();
  const generation = session.generate(story, { maxTokens: -1, signal: controller.signal });
  let count = 0;
  await assert.rejects(async () => {
    for await (const token of generation) if (token.id >= 0 && ++count === 3) controller.abort();
  }, { name: 'AbortError' });
  assert.equal((await generation.result).reason, 'cancelled');
  const late = { signal: controller.signal };
  assert.throws(() => session.generate(story, late), { name: 'AbortError' });
  const reason = new Error('enough');
  const other = new AbortController();
  const second = session.generate(story, { maxTokens: -1, signal: other.signal });
  other.abort(reason);
  await assert.rejects(second.text(), (error) => error === reason);
  assert.throws(() => session.generate(story, { signal: 1 }), TypeError);
});

test('a signal ends the prefill', async () => {
  const session = model.createSession({ chunk: 16, threads: 1 });
  const controller = new AbortController();
  // The worker waits for the routing to be heard, so it cannot be done before.
  session.onRouting(() => controller.abort());
  const generation = session.generate(someIds(2000), { signal: controller.signal });
  await assert.rejects(generation.next(), { name: 'AbortError' });
  assert.equal((await generation.result).generatedTokens, 0);
  assert.ok(session.position < 2000, String(session.position));
});

test('a session is for one call at a time', async () => {
  const session = model.createSession();
  const generation = session.generate(story, { maxTokens: 5 });
  const busy = { name: 'OctavoError', code: 'BUSY' };
  assert.throws(() => session.generate('more'), busy);
  await assert.rejects(session.feed([1]), busy);
  assert.throws(() => session.tokens, busy);
  assert.throws(() => session.rewind(), busy);
  assert.throws(() => session.fork(), busy);
  await generation.text();
  assert.equal(session.position, 9);
});

test('a failure is thrown to the reader and told by the result', async () => {
  const session = model.createSession({ context: 8 });
  const generation = session.generate(someIds(9));
  await assert.rejects(generation.next(), (error) => error instanceof OctavoError &&
    error.code === 'OUT_OF_RANGE');
  await assert.rejects(generation.result, { code: 'OUT_OF_RANGE' });
  await assert.rejects(session.generate([]).text(), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(session.generate([4096]).text(), OctavoError);
  const chat = { template: 'mistral-v1' };
  const robot = session.generate([{ role: 'robot', content: '' }], { chat });
  await assert.rejects(robot.text(), { code: 'INVALID_ARGUMENT' });
  const noEnd = { maxTokens: -1, sampling: { logitBias: { 2: -Infinity } } };
  const full = session.generate(someIds(6), noEnd);
  await full.text();
  assert.equal((await full.result).reason, 'contextFull');
});

test('closing ends what is at work', async () => {
  const session = model.createSession();
  const generation = session.generate(story, { maxTokens: -1 });
  await generation.next();
  await Promise.all([session.close(), session.close()]);
  assert.equal((await generation.result).reason, 'cancelled');
  assert.throws(() => session.tokens, { code: 'INVALID_HANDLE', message: 'the session is closed' });
  await session.close();
  const dispose = Symbol.asyncDispose;
  if (dispose === undefined) return;
  const other = model.createSession();
  const left = other.generate(story, { maxTokens: -1 });
  await left[dispose]();
  await other[dispose]();
  assert.throws(() => other.tokens, { code: 'INVALID_HANDLE' });
});

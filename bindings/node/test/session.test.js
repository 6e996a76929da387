// Sessions without generating: logits, what they hold, files, and those who look on.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';

import { OctavoError, Sampler } from 'octavo';

import { openModel, someIds, temporaryFolder } from './support.js';

let model;
before(async () => { model = await openModel(); });

/** The relative distance of two arrays of floats. */
function distance(actual, expected) {
  assert.equal(actual.length, expected.length);
  let difference = 0;
  let norm = 0;
  expected.forEach((value, i) => {
    difference += (actual[i] - value) ** 2;
    norm += value ** 2;
  });
  assert.ok(norm > 0);
  return Math.sqrt(difference / norm);
}

test('logits of a call are logits of a row', async () => {
  const ids = someIds(20);
  const rows = await model.createSession().evaluate(ids, { first: 12 });
  assert.ok(rows instanceof Float32Array);
  assert.equal(rows.length, 8 * 4096);
  assert.deepEqual(await model.createSession().evaluate([...ids], { first: 12 }), rows);
  // Another number of rows meets other roundings: 0.008 and 0.017 were measured.
  for (const [index, count] of [[7, 20], [2, 15]]) {
    const logits = await model.createSession().feed(ids.subarray(0, count));
    assert.ok(distance(rows.subarray(index * 4096, (index + 1) * 4096), logits) < 0.03);
  }
  await assert.rejects(model.createSession().evaluate(ids, { first: 20 }), RangeError);
  await assert.rejects(model.createSession().evaluate(ids, { first: -1 }), RangeError);
});

test('a prompt is computed as far as it is new', async () => {
  const session = model.createSession();
  const ids = someIds(12);
  const fed = await session.feed(ids);
  assert.deepEqual(await model.createSession().prompt(ids), fed);
  await session.prompt([...ids.subarray(0, 8), 7, 7]);
  assert.equal(session.info.reused, 8);
  assert.deepEqual([...session.tokens], [...ids.subarray(0, 8), 7, 7]);
  session.rewind(3);
  assert.deepEqual(session.tokens, ids.subarray(0, 3));
  session.rewind();
  assert.equal(session.position, 0);
  assert.throws(() => session.rewind(1), OctavoError);
  assert.throws(() => session.rewind(0.5), RangeError);
});

test('a fork goes on by itself', async () => {
  const session = model.createSession({ threads: 1 });
  await session.feed(someIds(9));
  const fork = session.fork();
  const [there, here] = await Promise.all([fork.feed([5, 6]), session.feed([5, 6])]);
  assert.deepEqual(there, here);
  fork.rewind(2);
  assert.equal(session.position, 11);
  assert.equal(fork.position, 2);
  assert.equal(fork.model, model);
});

test('a session is saved and restored', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'session');
  const session = model.createSession({ cache: 'q8_0' });
  await session.feed(someIds(30));
  await session.save(path);
  const restored = await model.restore(path);
  assert.deepEqual(restored.tokens, session.tokens);
  assert.equal(restored.info.cache, 'q8_0');
  assert.deepEqual(await restored.feed([9]), await session.feed([9]));
  await assert.rejects(model.restore(join(folder, 'none')), { code: 'IO' });
  await assert.rejects(session.save(join(folder, 'none', 'session')), { code: 'IO' });
  writeFileSync(path, 'no session');
  await assert.rejects(model.restore(path), OctavoError);
});

test('a session says how it computes', () => {
  const session = model.createSession({ context: 100, threads: 2, cache: 'bf16' });
  const { position, context, threads, cache } = session.info;
  assert.deepEqual([position, context, threads, cache], [0, 100, 2, 'bf16']);
  assert.throws(() => model.createSession({ context: -3 }), OctavoError);
});

test('routing is told for each token in each layer', async () => {
  const session = model.createSession({ threads: 1 });
  const seen = [];
  session.onRouting((token) => seen.push(token));
  const ids = someIds(100);
  await session.feed(ids);
  assert.equal(seen.length, 6 * 100);  // all of it, before the logits
  const places = new Set();
  for (const { layer, position, experts, weights, logits } of seen) {
    places.add(`${layer} ${position}`);
    assert.deepEqual([experts.length, weights.length, logits.length], [2, 2, 8]);
    assert.ok(Math.abs(weights[0] + weights[1] - 1) < 1e-5 && weights[0] >= weights[1]);
    assert.equal(logits[experts[0]], Math.max(...logits));
  }
  assert.equal(places.size, 600);
  session.onRouting(null);
  await session.feed([1]);
  assert.equal(seen.length, 600);
  assert.throws(() => session.onRouting(1), TypeError);
});

test('progress is told after each chunk', async () => {
  const session = model.createSession({ chunk: 16 });
  const seen = [];
  session.onProgress((done, total) => seen.push([done, total]));
  await session.feed(someIds(40));
  assert.deepEqual(seen, [[16, 40], [32, 40], [40, 40]]);
});

test('calls that compute are cancelled', async () => {
  const ids = someIds(2000);
  for (const method of ['feed', 'prompt', 'evaluate']) {
    const options = method === 'evaluate' ? { first: 1999 } : {};
    const session = model.createSession({ chunk: 16, threads: 1 });
    // The worker waits for the routing to be heard, so it cannot be done before.
    session.onRouting(() => session.cancel());
    await assert.rejects(session[method](ids, options), { code: 'CANCELLED' });
    assert.ok(session.position < 2000);
    const controller = new AbortController();
    session.rewind();
    session.onRouting(() => controller.abort());
    await assert.rejects(session[method](ids, { ...options, signal: controller.signal }),
      { name: 'AbortError' });
    await assert.rejects(session[method](ids, { ...options, signal: controller.signal }),
      { name: 'AbortError' });
    assert.ok(session.position < 2000);
    // A call that has not quite begun hears of it, too.
    session.onRouting(null);
    session.rewind();
    const early = session[method](ids, options);
    session.cancel();
    await assert.rejects(early, { code: 'CANCELLED' });
  }
});

test('the event loop turns while a session computes', async () => {
  const session = model.createSession({ threads: 1 });
  let turns = 0;
  let isDone = false;
  const turn = () => {
    ++turns;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  await session.feed(someIds(2000));
  isDone = true;
  assert.ok(turns > 1);
});

test('ops are counted', async () => {
  const session = model.createSession({ profile: true });
  await session.feed(someIds(5));
  const ops = session.profile();
  const experts = ops.find((op) => op.name.startsWith('moe'));
  assert.equal(experts.calls, 6);
  assert.ok(experts.bytes > 0 && experts.operations > 0 && experts.seconds > 0);
  session.resetProfile();
  assert.ok(session.profile().every((op) => op.calls === 0));
  assert.deepEqual(model.createSession().profile(), []);
});

test('a sampler chooses as generate does', async () => {
  const ids = model.tokenize('Once upon a time');
  for (const sampling of [{ temperature: 0 }, { seed: 5, temperature: 1.2, repeatPenalty: 1.1 }]) {
    const session = model.createSession({ threads: 1 });
    const sampler = new Sampler(sampling, model);
    sampler.accept(ids);
    let logits = await session.feed(ids);
    const chosen = [];
    while (chosen.length < 20) {
      chosen.push(sampler.sample(logits));
      logits = await session.feed(chosen.slice(-1));
    }
    const options = { maxTokens: 20, sampling };
    const generation = model.createSession({ threads: 1 }).generate(ids, options);
    const generated = [];
    for await (const token of generation) generated.push(token.id);
    assert.deepEqual(chosen, generated);
  }
});

test('a sampler knows where its grammar ends', async () => {
  const logits = await model.createSession().feed(model.tokenize('Say'));
  const sampler = new Sampler({ grammar: 'root ::= "a"' }, model);
  sampler.continueText();
  assert.equal(sampler.finished, false);
  const id = sampler.sample(logits);
  assert.equal(model.detokenize([id]).trim(), 'a');
  assert.equal(sampler.finished, true);
  sampler.close();
  assert.throws(() => sampler.sample(logits), { code: 'INVALID_HANDLE' });
  assert.throws(() => new Sampler({ grammar: 'root ::= "a"' }), OctavoError);
  assert.throws(() => new Sampler({ grammar: 'root := ' }, model), OctavoError);
  assert.throws(() => new Sampler({}).sample([1, 2]), TypeError);
  assert.throws(() => new Sampler({}, {}), TypeError);
});

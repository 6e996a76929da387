// Options: each of them is known and checked, and what is none is refused.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { Model, OctavoError, Sampler } from 'octavo';

import { modelPath, openModel } from './support.js';

let model;
before(async () => { model = await openModel(); });

test('an option that does not exist is a TypeError', async () => {
  const session = model.createSession();
  const message = (what) => ({ name: 'TypeError', message: `'nope' is no option of ${what}` });
  await assert.rejects(Model.open(modelPath, { nope: 1 }), message('a model'));
  assert.throws(() => model.createSession({ nope: 1 }), message('a session'));
  await assert.rejects(model.restore('x', { nope: 1 }), message('a session'));
  assert.throws(() => model.encodeChat([], { nope: 1 }), message('chat'));
  assert.throws(() => session.generate('x', { nope: 1 }), message('generate'));
  assert.throws(() => session.generate('x', { sampling: { nope: 1 } }), message('sampling'));
  assert.throws(() => new Sampler({ nope: 1 }), message('sampling'));
  await assert.rejects(session.feed([1], { nope: 1 }), TypeError);
  await assert.rejects(session.evaluate([1], { nope: 1 }), TypeError);
  assert.throws(() => session.generate('x', { [Symbol('s')]: 1 }), TypeError);
  assert.throws(() => model.createSession({ toString: 1 }), TypeError);
  // None of them began anything.
  assert.equal(session.position, 0);
});

test('options are objects', async () => {
  for (const wrong of [1, 'text', true, null]) {
    await assert.rejects(Model.open(modelPath, wrong), TypeError);
    assert.throws(() => model.createSession(wrong), TypeError);
    assert.throws(() => model.createSession().generate('x', wrong), TypeError);
    assert.throws(() => new Sampler(wrong), TypeError);
  }
});

test('every sampling option is known', () => {
  const sampling = {
    temperature: 0.7, topK: 20, topP: 0.9, minP: 0.1, typicalP: 0.95, repeatPenalty: 1.1,
    frequencyPenalty: 0.1, presencePenalty: 0.1, repeatWindow: 32, dryMultiplier: 0.5,
    dryBase: 1.5, dryAllowedLength: 3, dryWindow: 100, dryBreakers: ['\n', '.'],
    xtcProbability: 0.1, xtcThreshold: 0.2, dynatempRange: 0.1, dynatempExponent: 1.2,
    mirostat: false, mirostatTau: 4, mirostatEta: 0.2, logitBias: new Map([[5, -1], [6, 2]]),
    grammar: 'root ::= "a"', seed: 2n ** 64n - 1n,
  };
  assert.ok(new Sampler(sampling, model));
  assert.ok(new Sampler({ jsonSchema: '{"type": "string"}' }, model));
  // Each is refused where its value is of no use, so each of them arrives.
  for (const name of Object.keys(sampling)) {
    const wrong = { ...sampling, [name]: Symbol('wrong') };
    assert.throws(() => new Sampler(wrong, model), TypeError, name);
    assert.ok(new Sampler({ ...sampling, [name]: undefined }, model));
  }
  for (const wrong of [{ temperature: -1 }, { topP: 2 }, { minP: -1 }, { typicalP: 0 },
    { repeatPenalty: 0 }, { xtcProbability: 2 }, { dynatempRange: -1 }]) {
    assert.throws(() => new Sampler(wrong), OctavoError, JSON.stringify(wrong));
  }
});

test('logit biases reach the sampler', () => {
  const logits = new Float32Array(4096).fill(0);
  logits[7] = 1;
  const sample = (logitBias) => new Sampler({ temperature: 0, logitBias }).sample(logits);
  assert.equal(sample({}), 7);
  assert.equal(sample({ 9: 2 }), 9);
  assert.equal(sample({ 9: 2, 7: 3 }), 7);
  assert.equal(sample(new Map([[7, -Infinity], [3, 0.5]])), 3);
  assert.throws(() => sample({ word: 1 }), RangeError);
  assert.throws(() => sample({ 3: 'much' }), TypeError);
});

test('numbers are whole where they must be', () => {
  const session = model.createSession();
  for (const wrong of [1.5, NaN, Infinity, 2 ** 63]) {
    assert.throws(() => session.generate('x', { maxTokens: wrong }), RangeError);
    assert.throws(() => model.createSession({ context: wrong }), RangeError);
  }
  for (const wrong of ['3', null, {}, []]) {
    assert.throws(() => session.generate('x', { maxTokens: wrong }), TypeError);
  }
  for (const wrong of [-1, 2 ** 53 + 2, 2n ** 64n, -1n, 0.5]) {
    assert.throws(() => new Sampler({ seed: wrong }), RangeError);
  }
  assert.throws(() => new Sampler({ topK: 2 ** 31 }), RangeError);
  assert.throws(() => new Sampler({ topK: 2n ** 64n }), RangeError);
  assert.ok(new Sampler({ topK: 5n }));
});

test('choices are named when they are wrong', () => {
  assert.throws(() => model.createSession({ cache: 'f8' }),
    { name: 'TypeError', message: 'cache must be one of auto f32 f16 bf16 q8_0, not f8' });
  const session = model.createSession();
  assert.throws(() => session.generate('x', { speculation: 'maybe' }), /one of auto off on/);
  assert.throws(() => session.generate('x', { stop: [1] }), TypeError);
  assert.throws(() => session.generate('x', { stop: 'a\0b' }), TypeError);
  assert.throws(() => session.generate('x', { wholePrompt: 1 }), TypeError);
});

test('ids are whole numbers of 32 bits', async () => {
  const session = model.createSession();
  for (const wrong of [[1.5], [2 ** 31], [NaN]]) {
    await assert.rejects(session.feed(wrong), RangeError);
  }
  for (const wrong of ['text', 1, null, undefined, ['1'], new Float32Array(2)]) {
    await assert.rejects(session.feed(wrong), TypeError);
  }
  await assert.rejects(session.feed([-1]), OctavoError);
  assert.throws(() => session.generate(new Float32Array(2)), TypeError);
});

test('methods are for their own class', () => {
  const session = model.createSession();
  const tokenize = model.tokenize;
  assert.throws(() => tokenize.call(session, 'x'), TypeError);
  assert.throws(() => session.fork.call(model), TypeError);
});

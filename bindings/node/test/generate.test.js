// Generating: the program's text, and the step that reader and session keep.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';

import { logprobs } from 'octavo';

import { modelPath, openModel, runProgram, someIds } from './support.js';

const story = 'Once upon a time';
const greedy = { temperature: 0 };
let model;
before(async () => { model = await openModel(); });

async function collect(generation) {
  const tokens = [];
  for await (const token of generation) tokens.push(token);
  return tokens;
}

test('the same prompt and seed give the text of the program', async () => {
  for (const [sampling, options] of [
    [greedy, ['--temp', '0']],
    [{ seed: 7 }, ['--seed', '7']],
    [{ seed: 2n ** 63n + 5n, temperature: 1.3, topK: 0 },
      ['--seed', String(2n ** 63n + 5n), '--temp', '1.3', '--top-k', '0']],
    [{ temperature: 1, dryMultiplier: 0.8, repeatPenalty: 1.1, mirostat: true, seed: 3 },
      ['--temp', '1', '--dry-multiplier', '0.8', '--repeat-penalty', '1.1', '--mirostat',
        '--seed', '3']],
  ]) {
    const session = model.createSession({ threads: 2 });
    const text = await session.generate(story, { maxTokens: 60, sampling }).text();
    const printed = runProgram('run', modelPath, '-p', story, '-n', '60', '-t', '2', ...options);
    assert.equal(text, printed.replace(/\n$/, ''));
    assert.ok(text.length > 100);
  }
});

test('tokens are the text and the result counts them', async () => {
  const session = model.createSession({ threads: 1 });
  const generation = session.generate(story, { maxTokens: 20, sampling: greedy });
  const tokens = await collect(generation);
  const result = await generation.result;
  assert.equal(tokens.length, 20);
  assert.equal(result.reason, 'maxTokens');
  assert.equal(result.promptTokens, 5);
  assert.equal(result.generatedTokens, 20);
  assert.equal(result.decodedTokens, 19);
  assert.equal(result.lastToken, tokens[19].id);
  assert.equal(result.stopIndex, null);
  assert.ok(!('logprob' in tokens[0]));
  // All but the last one are in the session.
  const ids = [...model.tokenize(story), ...tokens.slice(0, 19).map((token) => token.id)];
  assert.deepEqual([...session.tokens], ids);
  assert.equal(session.position, 24);
  // It ended once and for all.
  assert.deepEqual(await generation.next(), { done: true, value: undefined });
});

test('a text goes on where the session stands', async () => {
  const whole = model.createSession({ threads: 1 });
  const tokens = await collect(whole.generate(story, { maxTokens: 30, sampling: greedy }));
  const session = model.createSession({ threads: 1 });
  const some = await collect(session.generate(story, { maxTokens: 10, sampling: greedy }));
  const rest = await collect(session.generate([some[9].id], { maxTokens: 20, sampling: greedy }));
  assert.deepEqual([...some, ...rest].map((token) => token.id), tokens.map((token) => token.id));
  // A text that does not begin the session has no BOS.
  const { position } = session;
  await session.generate('The dog', { maxTokens: 0 }).result;
  assert.deepEqual(session.tokens.slice(position), model.tokenize('The dog', { bos: false }));
  // The whole prompt is computed only as far as it is new.
  const again = session.generate(story, { maxTokens: 1, wholePrompt: true, sampling: greedy });
  await again.text();
  assert.equal((await again.result).reused, 4);
  assert.deepEqual(session.tokens, model.tokenize(story));
});

test('log probabilities are those of the logits', async () => {
  const session = model.createSession({ threads: 1 });
  const logits = await session.feed(model.tokenize(story));
  const expected = logprobs(logits, 5, 3);
  assert.equal(expected.length, 4);
  assert.equal(expected[0].id, 5);
  const options = { maxTokens: 1, logprobs: 3, sampling: greedy };
  const [token] = await collect(model.createSession({ threads: 1 }).generate(story, options));
  assert.deepEqual(token.top, expected.slice(1));
  assert.equal(token.id, token.top[0].id);
  assert.equal(token.logprob, token.top[0].logprob);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - logits[token.id]), 0);
  assert.ok(Math.abs(token.logprob + Math.log(sum)) < 1e-5);
});

test('a stop text ends before it is said', async () => {
  const options = { maxTokens: 60, sampling: greedy };
  const full = await model.createSession().generate(story, options).text();
  const stop = ['zebra', ' girl'];
  const generation = model.createSession().generate(story, { ...options, stop });
  assert.equal(await generation.text(), full.slice(0, full.indexOf(' girl')));
  const result = await generation.result;
  assert.deepEqual([result.reason, result.stopIndex], ['stopText', 1]);
  const one = model.createSession().generate(story, { ...options, stop: '.' });
  assert.equal(await one.text(), full.slice(0, full.indexOf('.')));
});

test('constrained text is what the schema says', async () => {
  const jsonSchema = {
    type: 'object',
    properties: {
      name: { enum: ['Tom', 'Lily'] },
      age: { type: 'integer', minimum: 0, maximum: 99 },
    },
    required: ['name', 'age'],
    additionalProperties: false,
  };
  for (let seed = 0; seed < 10; ++seed) {
    const sampling = { jsonSchema, temperature: 1.5, seed };
    const generation = model.createSession().generate(story, { maxTokens: 200, sampling });
    const { name, age } = JSON.parse(await generation.text());
    assert.ok(['Tom', 'Lily'].includes(name) && Number.isInteger(age));
    assert.equal((await generation.result).reason, 'eos');
  }
  const sampling = { grammar: 'root ::= "yes" | "no"' };
  assert.match(await model.createSession().generate(story, { sampling }).text(), /^(yes|no)$/);
});

test('a conversation is the whole of the session', async () => {
  const session = model.createSession();
  await session.feed(someIds(7));
  const chat = { template: 'mistral-v1' };
  const messages = [{ role: 'user', content: 'Tell a story.' }];
  const generation = session.generate(messages, { maxTokens: 1, chat });
  await generation.text();
  assert.deepEqual(session.tokens, model.encodeChat(messages, chat));
  assert.throws(() => session.generate('text', { chat }), TypeError);
});

test('the next token is not computed before it is asked for', async () => {
  const session = model.createSession({ threads: 1 });
  let latest = -1;
  session.onRouting((token) => { latest = Math.max(latest, token.position); });
  // What speculation guesses is computed ahead.
  const options = { maxTokens: 50, sampling: greedy, speculation: 'off' };
  const generation = session.generate(story, options);
  for (let read = 0; read < 10; ++read) {
    await generation.next();
    // Any number of turns of the event loop: the session stands at the prompt and what was read
    // before this token.
    for (let turn = 0; turn < 20; ++turn) await setTimeout(1);
    assert.equal(latest, 4 + read);
  }
  await generation.return();
  assert.equal(session.position, 5 + 9);
});

test('sessions generate at the same time', async () => {
  const alone = await model.createSession({ threads: 1 })
    .generate(story, { maxTokens: 40, sampling: greedy }).text();
  const texts = ['', '', '', ''];
  const generations = texts.map(() => model.createSession({ threads: 1 })
    .generate(story, { maxTokens: 40, sampling: greedy }));
  for (let step = 0; step < 40; ++step) {
    for (const [index, generation] of generations.entries()) {
      texts[index] += (await generation.next()).value.text;
    }
  }
  assert.deepEqual(texts, [alone, alone, alone, alone]);
  const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
  const write = (seed) => model.createSession({ threads: 1 })
    .generate(story, { maxTokens: 60, sampling: { seed } }).text();
  const together = await Promise.all(seeds.map(write));
  for (const seed of seeds) assert.equal(together[seed - 1], await write(seed));
});

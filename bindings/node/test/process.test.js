// Ends of all kinds: of the process, of worker threads, of what nobody refers to any more.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

import { openModel, packageFolder, runModule } from './support.js';

/** It ended by itself with this code; a crash is a signal. */
function assertEnd(run, status, output = '') {
  const about = run.stderr + run.stdout;
  assert.equal(run.signal, null, about);
  assert.equal(run.status, status, about);
  assert.equal(run.stdout, output, about);
}

/** A worker thread that opens the model, makes a session and does what the text says. */
function startWorker(text) {
  process.chdir(packageFolder);
  return new Worker(`
    const { parentPort } = require('node:worker_threads');
    import('octavo').then(async ({ Model }) => {
      const model = await Model.open(process.env.OCTAVO_TEST_MODEL);
      const session = model.createSession({ threads: 1 });
      const greedy = { maxTokens: 30, sampling: { temperature: 0 } };
      ${text}
    });`, { eval: true });
}

test('the process ends in the middle of a call', () => {
  for (let time = 0; time < 3; ++time) {
    assertEnd(runModule(`
      const sessions = [1, 2].map(() => model.createSession({ threads: 1 }));
      sessions[0].onRouting(() => process.exit(3));
      sessions[0].feed(ids);
      await sessions[1].feed(ids);
      await new Promise(() => setInterval(() => {}, 1000));`), 3);
    assertEnd(runModule(`
      const sessions = [1, 2, 3].map(() => model.createSession());
      for (const session of sessions) session.generate('Once', { maxTokens: -1 }).text();
      setTimeout(() => process.exit(4), ${time * 10});`), 4);
  }
});

test('an exception in the middle of a call ends the process as ever', () => {
  const run = runModule(`
    const session = model.createSession({ threads: 1 });
    session.onRouting(() => { throw new Error('of the reader'); });
    await session.feed(ids);`);
  assert.equal(run.signal, null);
  assert.notEqual(run.status, 0);
  assert.match(run.stderr, /Error: of the reader/);
  assertEnd(runModule(`
    process.on('uncaughtException', () => {});
    const session = model.createSession({ threads: 1 });
    session.onRouting(() => { throw new Error('of the reader'); });
    console.log((await session.feed([1, 2])).length);`), 0, '4096\n');
});

test('a text that nobody reads on does not keep the process', () => {
  assertEnd(runModule(`
    const generation = model.createSession({ threads: 1 }).generate('Once', { maxTokens: -1 });
    await generation.next();
    console.log('read one');`), 0, 'read one\n');
});

test('what is waited for keeps the process', () => {
  assertEnd(runModule(`
    const generation = model.createSession({ threads: 1 }).generate('Once', { maxTokens: 50 });
    generation.text().then(() => console.log('all'));`), 0, 'all\n');
  assertEnd(runModule(`
    const generation = model.createSession({ threads: 1 }).generate('Once', { maxTokens: -1 });
    await generation.next();
    await generation.return();
    console.log((await generation.result).reason);`), 0, 'cancelled\n');
});

test('nothing begins while the process ends', () => {
  assertEnd(runModule(`
    const session = model.createSession();
    process.on('exit', () => {
      try { session.generate('Once'); } catch (error) { console.log(error.code); }
    });`), 0, 'CANCELLED\n');
});

test('worker threads have the package for themselves', async () => {
  const model = await openModel();
  const options = { maxTokens: 30, sampling: { temperature: 0 } };
  const send = "parentPort.postMessage(await session.generate('Once', greedy).text());";
  const workers = [1, 2, 3].map(() => startWorker(send));
  const texts = workers.map((worker) => once(worker, 'message'));
  const exits = workers.map((worker) => once(worker, 'exit'));
  const here = await model.createSession({ threads: 1 }).generate('Once', options).text();
  for (const [text] of await Promise.all(texts)) assert.equal(text, here);
  for (const [code] of await Promise.all(exits)) assert.equal(code, 0);
});

test('a worker thread is ended in the middle of a call', async () => {
  for (const call of ['await session.feed(new Int32Array(2000).fill(5));',
    "await session.generate('Once', { maxTokens: -1 }).text();",
    "await session.generate('Once', { maxTokens: -1 }).next(); setInterval(() => {}, 1000);"]) {
    const worker = startWorker(`
      session.onRouting(() => parentPort.postMessage('computing'));
      ${call}`);
    await once(worker, 'message');
    await worker.terminate();
  }
  // Only worker threads had the addon, which goes with the last of them.
  const run = runModule(`
    console.log(model.createSession().position);`);
  assertEnd(run, 0, '0\n');
});

test('a text without a reader is ended when it is collected', async () => {
  const model = await openModel();
  const session = model.createSession({ threads: 1 });
  const read = async () => {
    const { signal } = new AbortController();
    const { value } = await session.generate('Once', { maxTokens: -1, signal }).next();
    return value;
  };
  assert.ok((await read()).id > 0);
  assert.throws(() => session.tokens, { code: 'BUSY' });
  for (let time = 0; ; ++time) {
    assert.ok(time < 1000, 'it was never collected');
    globalThis.gc();
    await new Promise((resolve) => { setImmediate(resolve); });
    try {
      assert.ok(session.position > 0);
      break;
    } catch (error) {
      assert.equal(error.code, 'BUSY');
    }
  }
});

test('sessions come and go', async () => {
  const model = await openModel();
  for (let time = 0; time < 200; ++time) {
    const session = model.createSession({ threads: 1, context: 64 });
    const fork = session.fork();
    await session.feed([1, 2, 3]);
    if (time % 2 === 0) await session.close();
    if (time % 50 === 0) globalThis.gc();
    assert.equal(fork.position, 0);
  }
});

// A text that is being generated: read it with for await.
import { native } from './native.js';
import { abortReason, disposeBy, onAbort } from './options.js';

const key = Symbol('made by session.generate');

export class Generation {
  #handle;
  #result;
  #tokens;

  constructor({ generation, result }, signal, made) {
    if (made !== key) throw new TypeError('use session.generate(prompt)');
    this.#handle = generation;
    this.#result = result;
    this.#tokens = readTokens(generation, result, signal);
    // The signal must not keep alive what nobody reads any more.
    const weak = new WeakRef(generation);
    const forget = onAbort(signal, () => cancel(weak.deref()));
    // Whoever reads the tokens learns of a failure there.
    result.then(forget, forget);
  }

  static wrap(started, signal) {
    return new Generation(started, signal, key);
  }

  get result() {
    return this.#result;
  }

  next() {
    return this.#tokens.next();
  }

  async return(value) {
    await this.#end();
    return this.#tokens.return(value);
  }

  async throw(error) {
    await this.#end();
    return this.#tokens.throw(error);
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async text() {
    let text = '';
    for await (const token of this) text += token.text;
    return text;
  }

  cancel() {
    cancel(this.#handle);
  }

  async #end() {
    this.cancel();
    await this.#result.catch(() => {});
  }
}

function cancel(generation) {
  if (generation !== undefined) native.generationCancel(generation);
}

async function* readTokens(generation, result, signal) {
  try {
    for (;;) {
      const token = await native.generationNext(generation);
      if (signal?.aborted) throw abortReason(signal);
      if (token === null) return;
      yield token;
    }
  } finally {
    cancel(generation);
    await result.catch(() => {});
  }
}

disposeBy(Generation, async function dispose() {
  await this.return();
});

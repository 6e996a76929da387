// A session: one sequence of tokens and its cache.
import { Generation } from './generation.js';
import { Model } from './model.js';
import { native } from './native.js';
import {
  abortReason,
  checkSignal,
  disposeBy,
  flatMessages,
  onAbort,
  optionalFunction,
  plainSampling,
  split,
} from './options.js';

const key = Symbol('made by a Model');

export class Session {
  #handle;
  #model;
  #onRouting;
  #onProgress;

  constructor(model, handle, made) {
    if (made !== key) throw new TypeError('use model.createSession()');
    this.#model = model;
    this.#handle = handle;
  }

  static wrap(model, handle) {
    return new Session(model, handle, key);
  }

  get model() {
    return this.#model;
  }

  get info() {
    return native.sessionInfo(this.#handle);
  }

  get tokens() {
    return native.sessionTokens(this.#handle);
  }

  get position() {
    return this.info.position;
  }

  feed(ids, options = {}) {
    return this.#compute(options, () =>
      native.sessionFeed(this.#handle, ids, this.#onRouting, this.#onProgress));
  }

  prompt(ids, options = {}) {
    return this.#compute(options, () =>
      native.sessionPrompt(this.#handle, ids, this.#onRouting, this.#onProgress));
  }

  evaluate(ids, options = {}) {
    const [{ first = 0 }, others] = split(options, ['first']);
    return this.#compute(others, () =>
      native.sessionEvaluate(this.#handle, ids, first, this.#onRouting, this.#onProgress));
  }

  generate(prompt, options = {}) {
    const [{ signal, sampling, chat, stop }, plain] =
      split(options, ['signal', 'sampling', 'chat', 'stop']);
    checkSignal(signal);
    if (stop !== undefined) plain.stop = typeof stop === 'string' ? [stop] : stop;
    const started = native.generate(this.#handle, this.#plainPrompt(prompt, chat, plain), plain,
      plainSampling(sampling), this.#onRouting, this.#onProgress);
    return Generation.wrap(started, signal);
  }

  rewind(position = 0) {
    native.sessionRewind(this.#handle, position);
  }

  fork() {
    return Session.wrap(this.#model, native.sessionFork(this.#handle));
  }

  async save(path) {
    await native.sessionSave(this.#handle, path);
  }

  onRouting(callback) {
    this.#onRouting = optionalFunction(callback, 'onRouting');
  }

  onProgress(callback) {
    this.#onProgress = optionalFunction(callback, 'onProgress');
  }

  profile() {
    return native.sessionProfile(this.#handle);
  }

  resetProfile() {
    native.sessionResetProfile(this.#handle);
  }

  cancel() {
    native.sessionCancel(this.#handle);
  }

  async close() {
    await native.sessionClose(this.#handle);
  }

  /** A prompt for the addon, which makes ids of it in the worker. */
  #plainPrompt(prompt, chat, { wholePrompt }) {
    const isChat = Array.isArray(prompt) && typeof prompt[0] === 'object';
    if (chat !== undefined && !isChat) throw new TypeError('the option chat is for messages');
    if (isChat) return { messages: flatMessages(prompt), chat: chat ?? {} };
    if (typeof prompt !== 'string') return prompt;
    // BOS is where a text begins the session.
    const bos = wholePrompt === true || this.position === 0;
    return { text: prompt, bos, model: Model.handleOf(this.#model) };
  }

  async #compute(options, start) {
    const [{ signal }, others] = split(options, ['signal']);
    const [unknown] = Object.keys(others);
    if (unknown !== undefined) throw new TypeError(`there is no option '${unknown}'`);
    checkSignal(signal);
    const promise = start();
    const forget = onAbort(signal, () => this.cancel());
    try {
      return await promise;
    } catch (error) {
      if (signal?.aborted && error.code === 'CANCELLED') throw abortReason(signal);
      throw error;
    } finally {
      forget();
    }
  }
}

disposeBy(Session, Session.prototype.close);

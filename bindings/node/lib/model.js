// A model: a mapped file.
import { native } from './native.js';
import { disposeBy, flatMessages } from './options.js';
import { Session } from './session.js';

const key = Symbol('made by Model.open');

export class Model {
  #handle;
  #info;

  constructor(handle, made) {
    if (made !== key) throw new TypeError('use Model.open(path)');
    this.#handle = handle;
    this.#info = Object.freeze(native.modelInfo(handle));
  }

  static async open(path, options = {}) {
    return new Model(await native.modelOpen(path, options), key);
  }

  get info() {
    return this.#info;
  }

  get chatTemplate() {
    return native.modelChatTemplate(this.#handle);
  }

  tokenize(text, { bos = true } = {}) {
    return native.modelTokenize(this.#handle, text, bos);
  }

  detokenize(ids) {
    return native.modelDetokenize(this.#handle, ids);
  }

  encodeChat(messages, options = {}) {
    return native.modelEncodeChat(this.#handle, flatMessages(messages), options);
  }

  createSession(options = {}) {
    return Session.wrap(this, native.sessionCreate(this.#handle, options));
  }

  async restore(path, options = {}) {
    return Session.wrap(this, await native.sessionRestore(this.#handle, path, options));
  }

  async close() {
    native.modelClose(this.#handle);
  }

  /** For samplers of this model. */
  static handleOf(model) {
    return model.#handle;
  }
}

disposeBy(Model, Model.prototype.close);

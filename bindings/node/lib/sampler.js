// For those who choose tokens themselves.
import { Model } from './model.js';
import { native } from './native.js';
import { plainSampling } from './options.js';

export class Sampler {
  #handle;

  /** With a model it knows the vocabulary: for grammars, JSON schemas and DRY. */
  constructor(options = {}, model = undefined) {
    const handle = model === undefined ? undefined : Model.handleOf(model);
    this.#handle = native.samplerCreate(handle, plainSampling(options));
  }

  get finished() {
    return native.samplerFinished(this.#handle);
  }

  sample(logits) {
    return native.samplerSample(this.#handle, logits);
  }

  accept(ids) {
    native.samplerAccept(this.#handle, typeof ids === 'number' ? [ids] : ids);
  }

  continueText() {
    native.samplerContinueText(this.#handle);
  }

  close() {
    native.samplerClose(this.#handle);
  }
}

export function logprobs(logits, id, count = 0) {
  return native.logprobs(logits, id, count);
}

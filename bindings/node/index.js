// Octavo for Node: what the package shows. index.d.ts has the types and says what each does.
export { OctavoError } from './lib/errors.js';
export { Model } from './lib/model.js';
export { Session } from './lib/session.js';
export { Generation } from './lib/generation.js';
export { Sampler, logprobs } from './lib/sampler.js';
export { guardrailPrompt, version } from './lib/library.js';

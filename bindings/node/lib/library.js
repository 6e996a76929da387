// What belongs to no model.
import { native } from './native.js';

/** The library's version, '0.1.0'. */
export const version = native.version();

/** The system prompt by which the Mistral 7B paper enforces guardrails. */
export const guardrailPrompt = native.guardrailPrompt();

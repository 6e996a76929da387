// Octavo for Node: quantized inference for Mixtral 8x7B and Mistral 7B on ordinary processors.
//
//   import { Model } from 'octavo';
//
//   const model = await Model.open('mixtral.8vo');
//   const session = model.createSession();
//   for await (const token of session.generate('The capital of France is', { maxTokens: 32 })) {
//     process.stdout.write(token.text);
//   }
//
// All computing happens in a thread of each session; the event loop never waits for it. A session
// is for one call at a time: another one meanwhile fails with the code BUSY. Values of another type
// and options that do not exist are a TypeError, numbers out of their range a RangeError; what the
// library refuses is an OctavoError.

declare global {
  // Newer compilers and @types/node say the same.
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}

export type ErrorCode =
  | 'INVALID_ARGUMENT' // an option or a call that cannot be honoured
  | 'IO' // a file that cannot be opened, read, written or mapped
  | 'FORMAT' // a file that is damaged, cut short, or not what it says
  | 'UNSUPPORTED' // a valid file or request that this build does not know
  | 'OUT_OF_RANGE' // more tokens than the context holds
  | 'CANCELLED' // ended by cancel() or close()
  | 'INVALID_HANDLE' // what was closed
  | 'BUFFER_TOO_SMALL'
  | 'BUSY' // the session is at work in another call
  | 'OUT_OF_MEMORY'
  | 'INTERNAL'; // an error of the library itself

export class OctavoError extends Error {
  constructor(message: string, code: ErrorCode);
  readonly code: ErrorCode;
}

/** The library's version, '0.1.0'. */
export const version: string;
/** The system prompt by which the Mistral 7B paper enforces guardrails. */
export const guardrailPrompt: string;

/** What an AbortSignal is to this package. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Ids of tokens. */
export type Ids = Int32Array | readonly number[];

export interface ModelOptions {
  /** 'cpu', the default, or 'cuda' in a library that was built with it. */
  device?: string;
  /** Keys that a token sees, itself included; 0: all; -1, the default: what the file says. */
  window?: number;
  /** With 'cuda', how many layers are computed there; -1, the default: all. */
  gpuLayers?: number;
  /** With 'cuda', the experts stay with the processor. */
  expertsOnCpu?: boolean;
}

export interface ModelInfo {
  readonly architecture: string;
  /** What it was converted to, 'q4_k'. */
  readonly format: string;
  /** What it runs on, for people. */
  readonly device: string;
  readonly dim: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly ffnDim: number;
  readonly experts: number;
  readonly expertsPerToken: number;
  readonly vocab: number;
  readonly context: number;
  /** 0: none. */
  readonly window: number;
  readonly bos: number | null;
  readonly eos: number | null;
  readonly hasTokenizer: boolean;
}

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface ChatOptions {
  /** 'auto', the default: the model's own way; 'mistral-v1': the official encoding of
   * Mixtral-Instruct; or the text of a Jinja template. */
  template?: string;
  /** The last message is an answer to go on with. */
  continueFinal?: boolean;
}

export type CacheType = 'f32' | 'f16' | 'bf16' | 'q8_0';

export interface SessionOptions {
  /** Positions; 0, the default: the model's own. */
  context?: number;
  /** Tokens computed at once in prefill. */
  chunk?: number;
  /** 0, the default: as many as the processors. */
  threads?: number;
  /** 'auto', the default: f32 for a model stored in f32, otherwise f16. */
  cache?: CacheType | 'auto';
  /** A full context is no error; the older half moves out. */
  contextShift?: boolean;
  /** With contextShift, tokens at the start that stay. */
  keep?: number;
  /** Keeps count of every op, see Session.profile. */
  profile?: boolean;
}

export interface SessionInfo {
  /** Tokens held. */
  readonly position: number;
  /** Tokens that fit. */
  readonly context: number;
  /** Memory of keys and values, what forks share included. */
  readonly cacheBytes: number;
  /** Ids that the last prompt did not have to compute. */
  readonly reused: number;
  readonly threads: number;
  readonly cache: CacheType;
}

export interface SamplingOptions {
  /** 0.8; 0: the most likely token. */
  temperature?: number;
  /** 40; 0: off. */
  topK?: number;
  /** 0.95; 1: off. */
  topP?: number;
  /** 0.05; 0: off. */
  minP?: number;
  /** 1: off. */
  typicalP?: number;
  /** 1: off. */
  repeatPenalty?: number;
  /** 0: off. */
  frequencyPenalty?: number;
  /** 0: off. */
  presencePenalty?: number;
  /** 64: tokens that the three penalties look back on. */
  repeatWindow?: number;
  /** 0: off. */
  dryMultiplier?: number;
  dryBase?: number;
  dryAllowedLength?: number;
  /** 0: all. */
  dryWindow?: number;
  dryBreakers?: readonly string[];
  /** 0: off. */
  xtcProbability?: number;
  xtcThreshold?: number;
  /** 0: off. */
  dynatempRange?: number;
  dynatempExponent?: number;
  /** Mirostat 2, in the place of topK to XTC. */
  mirostat?: boolean;
  mirostatTau?: number;
  mirostatEta?: number;
  /** Added to the logits of ids; -Infinity forbids one. */
  logitBias?: Readonly<Record<number, number>> | ReadonlyMap<number, number>;
  /** A grammar in GBNF that the text must match. */
  grammar?: string;
  /** A JSON schema that the text must match, as text or as an object. */
  jsonSchema?: string | object;
  /** 0; from 0 to 2 ** 53, or a bigint below 2 ** 64. */
  seed?: number | bigint;
}

export interface CallOptions {
  /** Ends the call, which then throws the signal's reason. */
  signal?: Signal;
}

export interface GenerateOptions extends CallOptions {
  /** 128; negative: until the end of the text or of the context. */
  maxTokens?: number;
  /** The session shall hold the prompt alone; what it holds of it already is not computed again.
   * The default is to append it; messages are always the whole. */
  wholePrompt?: boolean;
  /** The text ends before the first of these. */
  stop?: string | readonly string[];
  /** 0: of the chosen token; n: and of the n most likely. */
  logprobs?: number;
  /** Guesses from what was said before; it changes the speed alone. */
  speculation?: 'auto' | 'off' | 'on';
  sampling?: SamplingOptions;
  /** How messages are encoded. */
  chat?: ChatOptions;
}

export interface TokenLogprob {
  id: number;
  /** The natural logarithm of what the model itself says, before any sampling stage. */
  logprob: number;
}

export interface Token {
  /** Whole characters; '' where the next token completes one. */
  text: string;
  id: number;
  /** With GenerateOptions.logprobs. */
  logprob?: number;
  /** With GenerateOptions.logprobs: the most likely tokens. */
  top?: TokenLogprob[];
}

export type StopReason = 'eos' | 'maxTokens' | 'contextFull' | 'stopText' | 'cancelled';

export interface GenerateResult {
  reason: StopReason;
  /** Which of GenerateOptions.stop. */
  stopIndex: number | null;
  promptTokens: number;
  generatedTokens: number;
  /** Of the prompt's tokens, with wholePrompt: were there already. */
  reused: number;
  prefillSeconds: number;
  decodeSeconds: number;
  /** That decodeSeconds went to: the end of the text included, the first one not. */
  decodedTokens: number;
  /** The last token given, which is not in the session yet. */
  lastToken: number | null;
  /** Tokens that speculation guessed, and those of them that were right. */
  drafted: number;
  accepted: number;
}

/** What the router decided for one token in one layer. */
export interface RoutedToken {
  layer: number;
  position: number;
  /** Best first. */
  experts: Int32Array;
  /** Of those; their sum is 1. */
  weights: Float32Array;
  /** Of all experts. */
  logits: Float32Array;
}

export interface OpProfile {
  /** 'matmul_qkv', 'attention', 'moe_ffn', ... */
  name: string;
  calls: number;
  seconds: number;
  /** Weights and cache entries read. */
  bytes: number;
  operations: number;
}

/** A mapped model file. It stays open as long as sessions use it. */
export class Model {
  private constructor();
  static open(path: string, options?: ModelOptions): Promise<Model>;
  readonly info: ModelInfo;
  /** Jinja; '' if it has none. */
  readonly chatTemplate: string;
  tokenize(text: string, options?: { bos?: boolean }): Int32Array;
  /** Control tokens give nothing, bytes that are no UTF-8 give U+FFFD. */
  detokenize(ids: Ids): string;
  /** Ids of a conversation, up to where the answer begins. */
  encodeChat(messages: readonly ChatMessage[], options?: ChatOptions): Int32Array;
  createSession(options?: SessionOptions): Session;
  /** A session as Session.save wrote it. */
  restore(path: string, options?: SessionOptions): Promise<Session>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** One sequence of tokens and its cache, for one call at a time. */
export class Session {
  private constructor();
  readonly model: Model;
  readonly info: SessionInfo;
  /** Tokens held. */
  readonly position: number;
  /** The ids that it holds. */
  readonly tokens: Int32Array;

  /** Begins to generate after a text, ids, or a conversation. A text has BOS in front where it
   * begins the session; a conversation is the whole of it. What is wrong with the options and a
   * session that is busy are thrown at once, what the library refuses to those who read. */
  generate(prompt: string | Ids | readonly ChatMessage[], options?: GenerateOptions): Generation;

  /** Appends ids; logits [vocab] after the last one. */
  feed(ids: Ids, options?: CallOptions): Promise<Float32Array>;
  /** As feed, but the session then holds exactly these ids; what it holds of them already is not
   * computed again. */
  prompt(ids: Ids, options?: CallOptions): Promise<Float32Array>;
  /** As feed, with the logits [ids.length - first, vocab] of every token from ids[first] on. */
  evaluate(ids: Ids, options?: CallOptions & { first?: number }): Promise<Float32Array>;

  /** Forgets the tokens from `position` (0) on. */
  rewind(position?: number): void;
  /** Another session with the same tokens; memory is shared until one of the two goes on. */
  fork(): Session;
  save(path: string): Promise<void>;

  /** For each token in each layer of a mixture, in calls that begin from now on; null ends it. */
  onRouting(callback: ((token: RoutedToken) => void) | null): void;
  /** After each chunk of prefill, in calls that begin from now on; null ends it. */
  onProgress(callback: ((done: number, total: number) => void) | null): void;

  /** The ops since the session was made or the profile was reset; none without
   * SessionOptions.profile. */
  profile(): OpProfile[];
  resetProfile(): void;

  /** Ends the call at work: a text ends with the reason 'cancelled', others fail with CANCELLED. */
  cancel(): void;
  /** Ends the call at work and frees the memory. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A text that is being generated. It keeps step with its reader: the next token is not computed
 * before it is asked for. Leaving `for await` early ends it, and waits for the end. */
export class Generation implements AsyncIterableIterator<Token> {
  private constructor();
  /** How it ended; fails where it failed. The end comes when all is read, or with cancel(). */
  readonly result: Promise<GenerateResult>;
  next(): Promise<IteratorResult<Token, undefined>>;
  return(): Promise<IteratorResult<Token, undefined>>;
  throw(error: unknown): Promise<IteratorResult<Token, undefined>>;
  [Symbol.asyncIterator](): this;
  /** Reads it to the end. */
  text(): Promise<string>;
  cancel(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** For those who choose tokens themselves. With a model it knows the vocabulary: for grammars, JSON
 * schemas and DRY. */
export class Sampler {
  constructor(options?: SamplingOptions, model?: Model);
  /** The grammar is complete and allows nothing more. */
  readonly finished: boolean;
  sample(logits: Float32Array): number;
  /** Remembers tokens of the prompt; sample does so itself for what it gives. */
  accept(ids: number | Ids): void;
  /** Text comes before what is sampled, though accept has seen none. */
  continueText(): void;
  close(): void;
}

/** What the model itself says: of `id` first, then of the `count` (0) most likely tokens. */
export function logprobs(logits: Float32Array, id: number, count?: number): TokenLogprob[];

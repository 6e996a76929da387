// What JavaScript's values look like before the addon reads them.

/** Takes some properties out of an object of options: [those, the others]. */
export function split(options, names) {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError('options must be an object');
  }
  const taken = {};
  const others = { ...options };
  for (const name of names) {
    taken[name] = others[name];
    delete others[name];
  }
  return [taken, others];
}

/** Sampling options with a JSON schema as text and biases as a list of numbers. */
export function plainSampling(options = {}) {
  const [{ jsonSchema, logitBias }, plain] = split(options, ['jsonSchema', 'logitBias']);
  if (jsonSchema !== undefined) {
    plain.jsonSchema = typeof jsonSchema === 'string' ? jsonSchema : JSON.stringify(jsonSchema);
  }
  if (logitBias !== undefined) {
    if (typeof logitBias !== 'object' || logitBias === null) {
      throw new TypeError('logitBias must be an object or a Map of ids and biases');
    }
    const pairs = logitBias instanceof Map ? [...logitBias] : Object.entries(logitBias);
    plain.logitBias = pairs.flatMap(([id, bias]) => [Number(id), bias]);
  }
  return plain;
}

/** Messages as [role, content, role, content, ...]. */
export function flatMessages(messages) {
  if (!Array.isArray(messages)) throw new TypeError('messages must be an array');
  return messages.flatMap((message) => {
    if (typeof message?.role !== 'string' || typeof message.content !== 'string') {
      throw new TypeError('a message must have a role and a content, both strings');
    }
    return [message.role, message.content];
  });
}

/** A function, or undefined for null and undefined. */
export function optionalFunction(value, what) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'function') throw new TypeError(`${what} must be a function or null`);
  return value;
}

/** Throws for what is no signal, and the reason of one that is aborted already. */
export function checkSignal(signal) {
  if (signal === undefined) return;
  if (typeof signal?.addEventListener !== 'function') {
    throw new TypeError('signal must be an AbortSignal');
  }
  if (signal.aborted) throw abortReason(signal);
}

/** Calls `cancel` once the signal is aborted; the answer takes that back. */
export function onAbort(signal, cancel) {
  signal?.addEventListener('abort', cancel, { once: true });
  return () => signal?.removeEventListener('abort', cancel);
}

/** What an aborted signal throws. */
export function abortReason(signal) {
  return signal.reason ?? new DOMException('This operation was aborted', 'AbortError');
}

/** Lets `await using` close objects of a class, where Node knows it. */
export function disposeBy(Class, close) {
  if (Symbol.asyncDispose === undefined) return;
  Object.defineProperty(Class.prototype, Symbol.asyncDispose, {
    value: close,
    writable: true,
    configurable: true,
  });
}

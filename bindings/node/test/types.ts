// Compiled, never run: what people write against index.d.ts.
import {
  Generation,
  GenerateResult,
  Model,
  OctavoError,
  RoutedToken,
  Sampler,
  Session,
  Token,
  guardrailPrompt,
  logprobs,
  version,
} from 'octavo';

export async function use(signal: { controller: import('octavo').Signal }): Promise<string> {
  const model: Model = await Model.open('model.8vo', { device: 'cpu', window: 0 });
  const ids: Int32Array = model.tokenize('Hello', { bos: false });
  const session: Session = model.createSession({ threads: 2, cache: 'q8_0', contextShift: true });
  const bos: number | null = model.info.bos;
  const { controller } = signal;
  const logits: Float32Array = await session.feed([...ids, bos ?? 0], { signal: controller });
  const sampler = new Sampler({ temperature: 0, logitBias: { 3: -Infinity } }, model);
  const chosen: number = sampler.sample(logits);
  const best = logprobs(logits, chosen, 3)[1]?.logprob;
  session.onRouting((token: RoutedToken) => token.experts.length);
  session.onRouting(null);
  const generation: Generation = session.generate(
    [{ role: 'system', content: guardrailPrompt }, { role: 'user', content: version }],
    {
      maxTokens: 8,
      stop: ['.', '\n'],
      logprobs: 2,
      speculation: 'off',
      chat: { template: 'mistral-v1' },
      sampling: { seed: 7n, jsonSchema: { type: 'object' }, dryBreakers: ['\n'] },
    },
  );
  let text = '';
  for await (const token of generation) {
    const read: Token = token;
    text += read.text + String(read.top?.[0]?.id ?? best);
  }
  const result: GenerateResult = await generation.result;
  if (result.reason === 'stopText') text += String(result.stopIndex);
  try {
    await session.save('saved');
  } catch (error) {
    if (error instanceof OctavoError && error.code === 'IO') text += error.message;
  }
  const restored = await model.restore('saved', { threads: 1 });
  await Promise.all([restored[Symbol.asyncDispose](), session.close(), model.close()]);

  // @ts-expect-error unknown options are refused
  session.generate('text', { maxToken: 8 });
  // @ts-expect-error a reason that there is not
  if (result.reason === 'max_tokens') text += '.';
  // @ts-expect-error models come from Model.open
  new Model();
  // @ts-expect-error what is known of a model does not change
  model.info.vocab = 1;
  return text;
}

// The addon, from where npm or the project's build put it.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { OctavoError } from './errors.js';

const places = [
  process.env.OCTAVO_NODE_ADDON,
  fileURLToPath(new URL('../build/octavo.node', import.meta.url)),
  fileURLToPath(new URL('../../../build/release/bindings/node/octavo.node', import.meta.url)),
].filter(Boolean);

function load() {
  const path = process.env.OCTAVO_NODE_ADDON ?? places.find((place) => existsSync(place));
  if (path === undefined) {
    const folder = fileURLToPath(new URL('..', import.meta.url));
    throw new Error(`octavo's addon is not built; run 'npm run build' in ${folder}`);
  }
  return createRequire(import.meta.url)(path);
}

export const native = load();
native.setErrorClass(OctavoError);
// process.exit() ends the process under the feet of other threads.
process.once('exit', () => native.shutDown());

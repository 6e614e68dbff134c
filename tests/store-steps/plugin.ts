import { defineStep, log, store } from './sdk/index.ts';

// Does everything that can be done with shared data, and returns what came of it.
export const step = defineStep({
  name: 'example.store',
  version: '0.1.0',
  summary: 'Uses shared data.',
  config: {
    type: 'object',
    properties: { scope: { type: 'string' }, key: { type: 'string' } },
    required: ['scope', 'key'],
    additionalProperties: false,
  },
  permissions: { store: [{ scope: '*', keys: '*', access: 'read-write' }] },
  idempotent: true,
  run({ scope: name, key }) {
    const scope = name as store.Scope;
    const before = store.get(scope, key);
    store.set(scope, key, { by: 'step', list: [1, 'é'] });
    store.set(scope, `${key}/short`, 1, { ttlMs: 3_600_000 });
    const result = {
      before: before ?? null,
      value: store.get(scope, key),
      exists: store.exists(scope, key),
      keys: store.list(scope, key),
      expires: store.expiresAt(scope, `${key}/short`) !== undefined,
      stays: store.expiresAt(scope, key) === undefined,
      deleted: store.delete(scope, `${key}/short`),
      again: store.delete(scope, `${key}/short`),
    };
    log.info('done');
    return result;
  },
});

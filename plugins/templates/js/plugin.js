import { defineStep, Failure, http, log } from './sdk/index.ts';

export const step = defineStep({
  name: 'example.check',
  version: '0.1.0',
  summary: 'Checks that a URL answers with the expected status.',
  // What users write in `config`, as a JSON Schema.
  config: {
    type: 'object',
    properties: {
      url: { type: 'string', description: 'The URL to ask.' },
      expect_status: {
        type: 'integer',
        minimum: 100,
        maximum: 599,
        default: 200,
        description: 'The status that it has to answer with.',
      },
      label: { type: 'string', default: '', description: 'What to call it in the log.' },
    },
    required: ['url'],
    additionalProperties: false,
  },
  // What later steps can refer to.
  output: {
    type: 'object',
    properties: {
      status: { type: 'integer', minimum: 100, maximum: 599, description: 'The status that it answered with.' },
      ok: { type: 'boolean', description: 'Whether that is the expected one.' },
    },
    required: ['status', 'ok'],
  },
  permissions: { network: [{ url: '{config.url}' }] },

  run({ url, expect_status, label }) {
    log.info(`checking ${label || 'the URL'}`);
    const { status } = http.get(url);
    if (status !== expect_status) {
      throw Failure.transient('unexpected_status', `expected status ${expect_status}, got ${status}`, {
        output: { status, ok: false },
      });
    }
    return { status, ok: true };
  },
});

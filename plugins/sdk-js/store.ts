/** The workflow's shared data: values by key, which outlive the step. Needs a `store` permission. */
import * as host from 'shiro:step/store@0.1.0';
import type { StoreError } from 'shiro:step/store@0.1.0';
import { u64 } from './engine.ts';
import { Failure, payload } from './failure.ts';

/** How far a value reaches: one run, all runs of one CI pipeline, of one branch or tag, or of the project. */
export type Scope = 'run' | 'pipeline' | 'branch' | 'project';

/** Why something was not done with shared data: `failure` is what the step ends with if it lets this through. */
export class StoreFailed extends Error {
  constructor(
    readonly kind: StoreError['tag'],
    readonly failure: Failure,
  ) {
    super(failure.message);
  }
}

/** The value of a key; undefined if there is none, or none any more. */
export function get<T = unknown>(scope: Scope, key: string): T | undefined {
  const json = call(() => host.get(scope, key));
  return json === undefined || json === null ? undefined : (JSON.parse(json) as T);
}

/** Whether a key has a value. */
export const exists = (scope: Scope, key: string): boolean => call(() => host.exists(scope, key));

/**
 * Stores a value that JSON can hold, in place of one that is there. It is durable when this returns. With `ttlMs` it is gone
 * after that time, by the wall clock.
 */
export function set(scope: Scope, key: string, value: unknown, more: { ttlMs?: number } = {}): void {
  const json = JSON.stringify(value);
  if (json === undefined) throw new StoreFailed('invalid', failureOf({ tag: 'invalid', val: 'the value is not JSON' }));
  const ttl = more.ttlMs === undefined ? undefined : u64(more.ttlMs);
  call(() => host.set(scope, key, json, ttl));
}

/** Deletes a value. False if there was none. */
const remove = (scope: Scope, key: string): boolean => call(() => host.delete(scope, key));
export { remove as delete };

/**
 * The keys that begin with this text (all without one) and have a value, sorted. All that begin so have to be granted:
 * `deploy/*` for `deploy/`.
 */
export const list = (scope: Scope, prefix = ''): string[] => call(() => host.list(scope, prefix));

/** When a key's value is gone, or went, if that is still known; undefined if it stays, or if there is none. */
export function expiresAt(scope: Scope, key: string): Date | undefined {
  const at = call(() => host.expiresAtMs(scope, key));
  return at === undefined || at === null ? undefined : new Date(Number(at));
}

function call<T>(act: () => T): T {
  try {
    return act();
  } catch (thrown) {
    const error = payload<StoreError>(thrown);
    if (error?.tag === undefined) throw thrown;
    throw new StoreFailed(error.tag, failureOf(error));
  }
}

function failureOf(error: StoreError): Failure {
  switch (error.tag) {
    case 'denied':
      return Failure.permanent('denied', error.val);
    case 'failed':
      return Failure.transient('store_failed', error.val);
    case 'other':
      return Failure.permanent(error.val[0], error.val[1]);
    default:
      return Failure.permanent(`store_${error.tag}`, error.val);
  }
}

/** What both engines lack or have in a form that is of no use in a step. */
import { getRandomBytes } from 'wasi:random/random@0.2.12';
import { u64 } from './engine.ts';
import * as log from './log.ts';

type Console = Record<'debug' | 'log' | 'info' | 'warn' | 'error' | 'trace', (...values: unknown[]) => void>;

/** Gives scripts a `console` that writes to the step's log. */
export function installGlobals(): void {
  const text = (values: unknown[]): string => values.map(show).join(' ');
  const console: Console = {
    debug: (...values) => log.debug(text(values)),
    trace: (...values) => log.debug(text(values)),
    log: (...values) => log.info(text(values)),
    info: (...values) => log.info(text(values)),
    warn: (...values) => log.warn(text(values)),
    error: (...values) => log.error(text(values)),
  };
  Object.assign(globalThis, { console });
}

function show(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/**
 * Makes `Math.random` differ from attempt to attempt: components are snapshots, taken with their seed. (The generator is
 * sfc32; it is no more fit for secrets than any `Math.random`.)
 */
export function seedRandom(): void {
  const seed = getRandomBytes(u64(16));
  const word = (at: number): number => seed[at]! | (seed[at + 1]! << 8) | (seed[at + 2]! << 16) | (seed[at + 3]! << 24);
  let [a, b, c, counter] = [word(0), word(4), word(8), word(12)];
  Math.random = () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
}

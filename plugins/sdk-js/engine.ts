/** Where the two engines differ. */

/** Set when the script is bundled. */
declare const SHIRO_ENGINE: 'quickjs' | 'starlingmonkey';

/** The engine that the component runs on. */
export const engine: 'quickjs' | 'starlingmonkey' = SHIRO_ENGINE;

/** A `u64` for the host: a number to QuickJS, a BigInt to StarlingMonkey. Rounded up, and never negative. */
export function u64(value: number): bigint {
  const whole = Math.max(0, Math.ceil(value));
  return engine === 'quickjs' ? (whole as unknown as bigint) : BigInt(whole);
}

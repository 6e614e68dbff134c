/** The step ran and says no. */

/** Whether another attempt makes sense. */
export type FailureKind = 'invalid-config' | 'permanent' | 'transient';

/** The code of what nobody gave a code. */
export const UNEXPECTED = 'unexpected';

/** Why a step failed: throw it. */
export class Failure extends Error {
  /** No attempt before this many milliseconds from now (a service's `Retry-After`). */
  retryAfterMs?: number;
  /** What there is to show all the same, for steps that run after a failure: best of the type that a success would have. */
  output?: unknown;

  constructor(
    /** Whether another attempt makes sense. */
    readonly kind: FailureKind,
    /** For machines: lower case. The step's name up to its first dot goes in front of a code that has none. */
    readonly code: string,
    /** For people: one sentence that says what happened and what to do. */
    message: string,
    more: { retryAfterMs?: number; output?: unknown } = {},
  ) {
    super(message);
    this.retryAfterMs = more.retryAfterMs;
    this.output = more.output;
  }

  /** The config is wrong: never retried. */
  static invalidConfig(message: string): Failure {
    return new Failure('invalid-config', 'invalid_config', message);
  }

  /** Trying again cannot help: never retried. */
  static permanent(code: string, message: string, more: { output?: unknown } = {}): Failure {
    return new Failure('permanent', code, message, more);
  }

  /** May succeed on another attempt: retried as the step's `retry` says. */
  static transient(code: string, message: string, more: { retryAfterMs?: number; output?: unknown } = {}): Failure {
    return new Failure('transient', code, message, more);
  }
}

/** The code with the step type in front, unless it names one already. */
export function qualified(code: string, stepType: string): string {
  return code.includes('.') ? code : `${stepType.split('.')[0]}.${code}`;
}

/** What an import that fails throws: the error itself, or an error around it. */
export function payload<T>(thrown: unknown): T {
  return (thrown as { payload?: T } | undefined)?.payload ?? (thrown as T);
}

/**
 * Write a step type for shiro in JavaScript or TypeScript.
 *
 *     import { defineStep, Failure, log } from './sdk/index.ts';
 *
 *     export const step = defineStep({
 *       name: 'text.greet',
 *       version: '0.1.0',
 *       summary: 'Makes a greeting.',
 *       config: {
 *         type: 'object',
 *         properties: { name: { type: 'string', description: 'Who to greet.' } },
 *         required: ['name'],
 *         additionalProperties: false,
 *       },
 *       run({ name }) {
 *         if (name === '') throw Failure.permanent('nobody', 'there is nobody to greet: set `name`');
 *         log.info(`greeting ${name}`);
 *         return { greeting: `Hello, ${name}!` };
 *       },
 *     });
 *
 * `shiro plugin build` makes the component. `config` and `output` are JSON Schemas (2020-12): shiro checks the config before
 * a run starts, and the output after each attempt; the types that `run` gets and returns follow from them. `console` writes to
 * the step's log. Whatever else `run` throws ends the attempt as a permanent failure, with the stack in the log.
 */
import { engine, u64 } from './engine.ts';
import { Failure, qualified, UNEXPECTED } from './failure.ts';
import { installGlobals, seedRandom } from './globals.ts';
import * as log from './log.ts';
import type { Permissions } from './permissions.ts';
import { type FromSchema, type Schema, withDefaults } from './schema.ts';

export * as context from './context.ts';
export { Failure, type FailureKind } from './failure.ts';
export * as http from './http.ts';
export * as log from './log.ts';
export type { Access, Limits, Permissions } from './permissions.ts';
export * as process from './process.ts';
export type { FromSchema, Schema } from './schema.ts';
export * as store from './store.ts';

/** A step type. */
export interface StepType<C extends Schema, O extends Schema> {
  /** What users write in `type`: dotted, lower case, e.g. `slack.notify`. */
  name: string;
  /** The plugin's version, best a semantic version. */
  version: string;
  /** One sentence that says what it does. */
  summary: string;
  /** JSON Schema of `config`. Defaults in it are filled in before `run`. */
  config: C;
  /** JSON Schema of the output. */
  output?: O;
  /** What it asks for; nothing by default. */
  permissions?: Permissions;
  /**
   * An attempt that was cut off, nobody knows where, may simply run again: what it does twice is the same as done once.
   */
  idempotent?: boolean;
  /** Runs one attempt, in a fresh instance: nothing is left of an earlier one. It may be async on StarlingMonkey only. */
  run(config: FromSchema<C>): FromSchema<O> | Promise<FromSchema<O>>;
}

/** What a component exports as `step`. */
export interface Exported {
  describe(): string;
  run(config: string): string | Promise<string>;
}

/** Makes a step type of this. Export it as `step`. */
export function defineStep<const C extends Schema, const O extends Schema = {}>(type: StepType<C, O>): Exported {
  installGlobals();
  return {
    describe: () =>
      JSON.stringify({
        name: type.name,
        version: type.version,
        summary: type.summary,
        config_schema: type.config,
        output_schema: type.output,
        permissions: type.permissions,
        idempotent: type.idempotent,
      }),
    run(text) {
      seedRandom();
      try {
        const output = type.run(withDefaults(type.config, parse(text)) as FromSchema<C>);
        if (!(output instanceof Promise)) return stringify(output);
        if (engine === 'quickjs') {
          throw Failure.permanent('async', 'an async `run` needs "engine": "starlingmonkey" in shiro-plugin.json');
        }
        return output.then(stringify).catch((thrown: unknown) => refuse(thrown, type.name));
      } catch (thrown) {
        return refuse(thrown, type.name);
      }
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw Failure.invalidConfig(`config: ${(error as Error).message}`);
  }
}

function stringify(output: unknown): string {
  try {
    return JSON.stringify(output) ?? 'null';
  } catch (error) {
    throw Failure.permanent('invalid_output', `the output does not fit into JSON: ${(error as Error).message}`);
  }
}

/** Ends the attempt with what was thrown: a record of the interface. */
function refuse(thrown: unknown, name: string): never {
  let failure = thrown instanceof Failure ? thrown : (thrown as { failure?: unknown } | undefined)?.failure;
  if (!(failure instanceof Failure)) {
    const error = thrown as Error | undefined;
    // QuickJS leaves the message out of the stack, StarlingMonkey too.
    log.error(`${error?.name ?? 'thrown'}: ${error?.message ?? String(thrown)}\n${error?.stack ?? ''}`.trimEnd());
    failure = Failure.permanent(UNEXPECTED, String(error?.message ?? thrown));
  }
  const { kind, code, message, retryAfterMs, output } = failure as Failure;
  throw {
    kind,
    code: qualified(code, name),
    message,
    retryAfterMs: retryAfterMs === undefined ? undefined : u64(retryAfterMs),
    output: output === undefined ? undefined : JSON.stringify(output),
  };
}

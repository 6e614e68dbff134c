/** As much of JSON Schema (2020-12) as types follow from. Any other keyword may be used as well. */

/** A JSON Schema. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly items?: Schema;
  readonly properties?: { readonly [name: string]: Schema };
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  /** A secret: masked wherever it would show. */
  readonly writeOnly?: boolean;
  readonly [keyword: string]: unknown;
}

interface Named {
  string: string;
  integer: number;
  number: number;
  boolean: boolean;
  null: null;
}

type Required<S extends Schema> = S['required'] extends readonly string[] ? S['required'][number] : never;

/** The properties that are there: those required, and those with a default. */
type Present<S extends Schema, P> = {
  [K in keyof P]: K extends Required<S> ? K : P[K] extends { default: unknown } ? K : never;
}[keyof P];

type FromObject<S extends Schema> = S['properties'] extends infer P extends { readonly [name: string]: Schema }
  ? { [K in Present<S, P>]: FromSchema<P[K]> } & { [K in Exclude<keyof P, Present<S, P>>]?: FromSchema<P[K]> }
  : { [name: string]: S['additionalProperties'] extends infer V extends Schema ? FromSchema<V> : unknown };

type FromName<S extends Schema, T> = T extends keyof Named
  ? Named[T]
  : T extends 'array'
    ? (S['items'] extends infer I extends Schema ? FromSchema<I> : unknown)[]
    : T extends 'object'
      ? FromObject<S>
      : unknown;

/** The type of the values that a schema allows; `unknown` where that can't be told. */
export type FromSchema<S extends Schema> = S extends { const: infer V }
  ? V
  : S extends { enum: readonly (infer V)[] }
    ? V
    : S extends { type: readonly (infer T)[] }
      ? FromName<S, T>
      : S extends { type: infer T }
        ? FromName<S, T>
        : unknown;

/** The value with the schema's defaults where it has nothing, in objects within objects too. */
export function withDefaults(schema: Schema, value: unknown): unknown {
  if (schema.properties === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const filled: Record<string, unknown> = { ...value };
  for (const [name, property] of Object.entries(schema.properties)) {
    if (filled[name] !== undefined) filled[name] = withDefaults(property, filled[name]);
    else if (property.default !== undefined) filled[name] = property.default;
  }
  return filled;
}

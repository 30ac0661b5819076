import { ToolkitError, type Where } from '../errors.ts';

/** Any JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** Reads one layer's `config` object; each getter names the JSON path when the value is not what it must be. */
export class ConfigReader {
  readonly #json: Json;
  readonly #where: Where;

  constructor(json: Json, where: Where) {
    this.#json = json;
    this.#where = where;
  }

  /** The value as it is; undefined when absent. */
  raw(key: string): unknown {
    return this.#json[key];
  }

  /** Absent and null mean the default; without a default the key must be there. */
  integer(key: string, byDefault?: number): number {
    const value = this.#json[key] ?? byDefault;
    if (typeof value === 'number' && Number.isInteger(value)) return value;
    throw this.wrong(key, 'an integer');
  }

  number(key: string, byDefault?: number): number {
    const value = this.#json[key] ?? byDefault;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw this.wrong(key, 'a number');
  }

  boolean(key: string, byDefault?: boolean): boolean {
    const value = this.#json[key] ?? byDefault;
    if (typeof value === 'boolean') return value;
    throw this.wrong(key, 'true or false');
  }

  string(key: string, byDefault?: string): string {
    const value = this.#json[key] ?? byDefault;
    if (typeof value === 'string') return value;
    throw this.wrong(key, 'a string');
  }

  oneOf<const T extends string>(key: string, allowed: readonly T[], byDefault?: T): T {
    const value = this.#json[key] ?? byDefault;
    const match = allowed.find((candidate) => candidate === value);
    if (match !== undefined) return match;
    throw this.wrong(key, `one of ${allowed.join(', ')}`);
  }

  /** KERAS_CONFIG_INVALID for a key whose value is not as expected: to be thrown by the caller. */
  wrong(key: string, expected: string): ToolkitError {
    const value = this.#json[key];
    const found = value === undefined ? 'is missing' : `is ${JSON.stringify(value)}`;
    return new ToolkitError(
      'KERAS_CONFIG_INVALID',
      `"${key}" must be ${expected}, but it ${found}`,
      {
        where: { ...this.#where, path: `${this.#where.path ?? ''}/config/${key}` },
        hint: 'Check that the file was saved by Keras and was not edited by hand.',
      },
    );
  }
}

/** Whether a value from outside is an object with keys. */
export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Parses JSON text that must be an object. Throws KERAS_CONFIG_INVALID. */
export function parseJson(text: string, where: Where): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ToolkitError('KERAS_CONFIG_INVALID', 'Expected JSON, but the text is not JSON', {
      where,
      hint: 'Save the architecture with model.to_json() and give that file.',
      cause: error,
    });
  }
  if (isJson(value)) return value;
  throw new ToolkitError('KERAS_CONFIG_INVALID', 'Expected a JSON object', {
    where,
    hint: 'Save the architecture with model.to_json() and give that file.',
  });
}

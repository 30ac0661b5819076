import { ToolkitError, type Where } from '../errors.ts';

/** Any JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/**
 * A table whose rows are looked up by names from files: without what every object has, such as "constructor".
 */
export function table<T>(rows: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  const bare = { ...rows };
  Object.setPrototypeOf(bare, null);
  return bare;
}

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
    // Python takes 0 and 1 for truth, and some wrote them.
    if (value === 0 || value === 1) return value === 1;
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

/** Models nest their layers, and layers their arguments, far less deeply than this. */
const deepest = 200;

/** Throws KERAS_CONFIG_INVALID for a value that is nested too deeply to be walked through. */
export function refuseDeep(value: unknown, where: Where): void {
  const waiting = [{ value, depth: 0 }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    if (next.depth > deepest) {
      throw new ToolkitError(
        'KERAS_CONFIG_INVALID',
        `Expected an architecture, but found more than ${deepest} levels of lists in lists`,
        { where, hint: 'The file is damaged or hostile: fetch it again.' },
      );
    }
    if (typeof next.value !== 'object' || next.value === null) continue;
    const depth = next.depth + 1;
    for (const item of Object.values(next.value)) waiting.push({ value: item as unknown, depth });
  }
}

/** Parses JSON text that must be an object; NaN and infinities, which Python writes, are read. Throws KERAS_CONFIG_INVALID. */
export function parseJson(text: string, where: Where): Json {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    value = pythonJson(text);
    if (value === undefined) {
      throw new ToolkitError('KERAS_CONFIG_INVALID', 'Expected JSON, but the text is not JSON', {
        where,
        hint: 'Save the architecture with model.to_json() and give that file.',
        cause: error,
      });
    }
  }
  refuseDeep(value, where);
  if (isJson(value)) return value;
  throw new ToolkitError('KERAS_CONFIG_INVALID', 'Expected a JSON object', {
    where,
    hint: 'Save the architecture with model.to_json() and give that file.',
  });
}

/** Python's json writes numbers that JSON does not have; 1e999 is read as infinite. Undefined where it is no JSON either. */
function pythonJson(text: string): unknown {
  const outside = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;
  const words: Readonly<Record<string, string>> = {
    Infinity: '1e999',
    '-Infinity': '-1e999',
    NaN: 'null',
  };
  try {
    return JSON.parse(text.replaceAll(outside, (found) => words[found] ?? found));
  } catch {
    return undefined;
  }
}

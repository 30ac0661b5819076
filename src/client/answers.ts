import type {
  Classification,
  ModelMetadata,
  RepositoryEntry,
  ServerMetadata,
  TensorMetadata,
} from './protocol.ts';

/** Turns a part of an answer into what it must be, or throws an Error that names the place. */
export type Reader<T> = (value: unknown, place: string) => T;

// A schema library would be larger than the whole client, which browsers load.
function primitive<T>(kind: string, isKind: (value: unknown) => value is T): Reader<T> {
  return (value, place) => {
    if (isKind(value)) return value;
    throw new Error(`${place} must be ${kind}, but is ${typeof value}`);
  };
}

const text = primitive('a text', (value) => typeof value === 'string');
const number = primitive('a number', (value) => typeof value === 'number');
const flag = primitive('true or false', (value) => typeof value === 'boolean');

function listOf<T>(item: Reader<T>): Reader<readonly T[]> {
  return (value, place) => {
    if (!Array.isArray(value)) throw new Error(`${place} must be a list`);
    return value.map((element, i) => item(element, `${place}[${i}]`));
  };
}

function optional<T>(reader: Reader<T>): Reader<T | undefined> {
  return (value, place) => (value === undefined ? undefined : reader(value, place));
}

/** The members of an object, each by its reader; others are left out. */
function record<T extends object>(readers: { readonly [K in keyof T]-?: Reader<T[K]> }): Reader<T> {
  return (value, place) => {
    const members = membersOf(value, place);
    const read = Object.entries<Reader<unknown>>(readers).map(([name, reader]) => [
      name,
      reader(members[name], place === '' ? name : `${place}.${name}`),
    ]);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each member was read by the reader of its type
    return Object.fromEntries(read) as T;
  };
}

/** The members of a JSON object. */
export function membersOf(value: unknown, place: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`${place || 'the answer'} must be an object`);
  }
  return Object.fromEntries(Object.entries(value));
}

const tensor = record<TensorMetadata>({ name: text, datatype: text, shape: listOf(number) });

/** The answers of the server that are plain JSON, one reader each. */
export const answers = {
  server: record<ServerMetadata>({ name: text, version: text, extensions: listOf(text) }),
  model: record<ModelMetadata>({
    name: text,
    versions: optional(listOf(text)),
    platform: text,
    inputs: listOf(tensor),
    outputs: listOf(tensor),
  }),
  repository: listOf(
    record<RepositoryEntry>({
      name: text,
      version: optional(text),
      state: optional(text),
      reason: optional(text),
    }),
  ),
  classification: record<Classification>({
    model_name: text,
    model_version: optional(text),
    predictions: listOf(record({ index: number, label: text, probability: number })),
    is_distribution: flag,
    timing: record({ queue_ms: number, decode_ms: number, compute_ms: number, total_ms: number }),
  }),
  /** One output of an inference, without its numbers. */
  output: record<TensorMetadata & { readonly data?: unknown; readonly parameters?: unknown }>({
    name: text,
    datatype: text,
    shape: listOf(number),
    data: (value) => value,
    parameters: (value) => value,
  }),
  inference: record<{
    readonly model_name: string;
    readonly model_version?: string | undefined;
    readonly id?: string | undefined;
    readonly outputs: readonly unknown[];
  }>({
    model_name: text,
    model_version: optional(text),
    id: optional(text),
    outputs: listOf((value) => value),
  }),
} as const;

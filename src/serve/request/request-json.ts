import { sizeOf } from '../../tensor.ts';
import { invalid } from './check.ts';
import { type Datatype, datatypes, isDatatype } from './datatypes.ts';

/** A JSON object of a request. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a JSON value is an object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object under a name, or an empty one where there is none. Throws REQUEST_INVALID. */
export function objectIn(from: JsonObject, name: string, of: string): JsonObject {
  const value = from[name];
  if (value === undefined || value === null) return {};
  if (isObject(value)) return value;
  throw invalid(`'${name}' of ${of} must be an object`);
}

/** A text under a name. Throws REQUEST_INVALID. */
export function textIn(from: JsonObject, name: string, of: string): string {
  const value = from[name];
  if (typeof value === 'string') return value;
  throw invalid(`${of} must have '${name}' as a string`);
}

/** A list of objects under a name. Throws REQUEST_INVALID. */
export function listIn(from: JsonObject, name: string, of: string): readonly JsonObject[] {
  const value = from[name];
  if (!Array.isArray(value)) throw invalid(`${of} must have '${name}' as an array of objects`);
  const list: unknown[] = value;
  const objects = list.filter(isObject);
  if (objects.length === list.length) return objects;
  throw invalid(`${of} must have '${name}' as an array of objects`);
}

/** A name, an element type and a shape whose bytes can be counted. Throws REQUEST_INVALID. */
export function headOf(input: JsonObject): {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
} {
  const name = textIn(input, 'name', 'an input');
  const datatype = textIn(input, 'datatype', `input '${name}'`);
  return { name, datatype: datatypeIn(datatype, name), shape: shapeIn(input['shape'], name) };
}

/** An element type by its name. Throws REQUEST_INVALID. */
export function datatypeIn(datatype: string, name: string): Datatype {
  if (isDatatype(datatype)) return datatype;
  throw invalid(
    `input '${name}' has the unknown datatype '${datatype.slice(0, 40)}', known are: ${Object.keys(datatypes).join(', ')}`,
  );
}

/** Dimensions: whole numbers of at least 0 whose product is a number of bytes. Throws REQUEST_INVALID. */
export function shapeIn(shape: unknown, name: string): readonly number[] {
  if (!Array.isArray(shape))
    throw invalid(`input '${name}' must have 'shape' as an array of whole numbers`);
  const dims: unknown[] = shape;
  const numbers = dims.filter(
    (dim): dim is number => Number.isSafeInteger(dim) && Number(dim) >= 0,
  );
  if (numbers.length < dims.length || numbers.length > 64) {
    throw invalid(
      `shape of input '${name}' must be whole numbers of at least 0, but it is [${dims.slice(0, 8).map(String).join()}]`,
    );
  }
  if (Number.isSafeInteger(sizeOf(numbers) * 8)) return numbers;
  throw invalid(`shape of input '${name}', [${numbers.join()}], has more elements than can be`);
}

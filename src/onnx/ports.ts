import { dtypeOf } from './schema.ts';
import { type Field, type FileRanges, fieldsOf } from './wire.ts';

/** An input or output as a file declares it that is no tensor of numbers or texts. */
export interface ForeignPort {
  readonly end: 'input' | 'output';
  readonly name: string;
  /** In ONNX's words: an element type, or `sequence`, `map`, `optional`, `sparse tensor`. */
  readonly type: string;
}

/** Element types of ONNX that are no `DType`, by their numbers in onnx.proto; 8 is a string. */
const elementTypes: ReadonlyMap<number, string> = new Map([
  [14, 'complex64'],
  [15, 'complex128'],
  [17, 'float8e4m3fn'],
  [18, 'float8e4m3fnuz'],
  [19, 'float8e5m2'],
  [20, 'float8e5m2fnuz'],
  [21, 'uint4'],
  [22, 'int4'],
  [23, 'float4e2m1'],
  [24, 'float8e8m0'],
  [25, 'uint2'],
  [26, 'int2'],
]);

/** Fields of ValueInfoProto, and of TypeProto's Tensor. */
const [nameField, typeField, elementField] = [1, 2, 1];
/** Fields of TypeProto, and what each says that a value is. */
const tensorField = 1;
const kinds: ReadonlyMap<number, string> = new Map([
  [4, 'sequence'],
  [5, 'map'],
  [8, 'sparse tensor'],
  [9, 'optional'],
]);
const string = 8;

/** What a ValueInfoProto of a file declares, where it is no tensor of numbers or texts; else, or where no type is given, `undefined`. */
export function foreignPort(
  file: FileRanges,
  at: Field,
  end: ForeignPort['end'],
): ForeignPort | undefined {
  const parts = [...fieldsOf(file, at.content, at.end)];
  const type = parts.findLast(({ number }) => number === typeField);
  const kind = type && [...fieldsOf(file, type.content, type.end)].at(-1);
  const found =
    kind && (kind.number === tensorField ? elementOf(file, kind) : kinds.get(kind.number));
  if (found === undefined) return undefined;
  const name = parts.findLast(({ number }) => number === nameField);
  const bytes = name ? file.read(name.content, name.end - name.content) : new Uint8Array(0);
  return { end, name: Buffer.from(bytes).toString('utf8'), type: found };
}

function elementOf(file: FileRanges, tensor: Field): string | undefined {
  const element = [...fieldsOf(file, tensor.content, tensor.end)].findLast(
    ({ number }) => number === elementField,
  );
  const number = element?.value ?? 0;
  const isKnown = number === 0 || number === string || dtypeOf(number) !== undefined;
  return isKnown ? undefined : (elementTypes.get(number) ?? `element type ${number}`);
}

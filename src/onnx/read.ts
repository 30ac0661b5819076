import { realpathSync } from 'node:fs';
import { ToolkitError } from '../errors.ts';
import { sourceOf } from '../source.ts';
import { byteLengthOf, dtypeBytes, type TensorSource, type Value } from '../tensor.ts';
import { externalRange, type Range, type TensorHead, type TensorPlace } from './external-range.ts';
import { numbersOf } from './numbers.ts';
import { type ForeignPort, foreignPort } from './ports.ts';
import {
  type DecodedNode,
  decodeEntry,
  decodeNode,
  decodeOpset,
  decodeTensor,
  decodeValue,
  dtypeOf,
  graphField,
  modelField,
  tensorField,
} from './schema.ts';
import { type Field, FileRanges, fieldsOf } from './wire.ts';

/** A node as the file has it, and where. */
export interface StoredNode extends DecodedNode {
  readonly field: Field;
}

/** A weight that stays in its file. */
export interface StoredTensor extends TensorSource {
  readonly name: string;
  readonly field: Field;
  /** Where its bytes lie, when they lie in one range of a file; `undefined` when they are spelled out as numbers. */
  readonly range: { readonly file: string; readonly offset: number } | undefined;
  /** Whether its bytes lie in another file than the model: ONNX's external data. */
  readonly isExternal: boolean;
}

/** What an ONNX file says. Weights stay in the file, and all that is not looked at is known by its place. */
export interface StoredModel {
  /** With links resolved: onnxruntime refuses external data behind them. */
  readonly path: string;
  readonly bytes: number;
  readonly irVersion: number;
  /** Version of ONNX's own operators. */
  readonly opset: number;
  readonly metadata: ReadonlyMap<string, string>;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Inputs and outputs that are no tensors of numbers, and so are in neither list. Texts are in none of the three. */
  readonly foreign: readonly ForeignPort[];
  readonly nodes: readonly StoredNode[];
  readonly initializers: ReadonlyMap<string, StoredTensor>;
  /** Every value whose shape is declared: inputs, outputs, inner values, weights. */
  readonly values: ReadonlyMap<string, Value>;
  /** The fields of the model and of its graph in the file's order, for carrying them over byte for byte. */
  readonly modelFields: readonly Field[];
  readonly graphFields: readonly Field[];
  /** Changes when the file is written to: ranges are worth nothing then. */
  readonly stamp: string;
}

/**
 * Reads an ONNX file without its weights: the protobuf headers are walked, contents of weights are skipped.
 *
 * Memory: the nodes and names. Throws FILE_MISSING, FILE_UNREADABLE, FILE_TRUNCATED, ONNX_INVALID.
 */
export function readModel(path: string): StoredModel {
  const file = new FileRanges(path);
  try {
    return readOpen(file, realpathSync(path));
  } finally {
    file.close();
  }
}

function readOpen(file: FileRanges, path: string): StoredModel {
  const modelFields = [...fieldsOf(file, 0, file.size)];
  const graph = modelFields.findLast(({ number }) => number === modelField.graph);
  const irVersion = modelFields.find(({ number }) => number === modelField.irVersion)?.value ?? 0;
  if (graph?.type !== 2 || irVersion === 0) throw notOnnx(file.path);
  const graphFields = [...fieldsOf(file, graph.content, graph.end)];
  const content = ({ content: start, end }: Field): Uint8Array => file.read(start, end - start);
  const ofGraph = (number: number): Field[] =>
    graphFields.filter((candidate) => candidate.number === number && candidate.type === 2);
  const declared = (number: number): Value[] =>
    ofGraph(number).flatMap((candidate) => decodeValue(content(candidate)) ?? []);
  const tensors = ofGraph(graphField.initializer).map((each) => storedTensor(file, path, each));
  const initializers = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  // Before IR 4 every initializer is an input too.
  const inputs = declared(graphField.input).filter(({ name }) => !initializers.has(name));
  const outputs = declared(graphField.output);
  const foreign = (['input', 'output'] as const).flatMap((end) =>
    ofGraph(graphField[end]).flatMap((each) => foreignPort(file, each, end) ?? []),
  );
  const values = [...declared(graphField.valueInfo), ...tensors, ...inputs, ...outputs];
  return {
    path,
    bytes: file.size,
    irVersion,
    opset: opsetOf(modelFields, content),
    metadata: new Map(
      modelFields
        .filter(({ number }) => number === modelField.metadata)
        .map((candidate) => decodeEntry(content(candidate))),
    ),
    inputs,
    outputs,
    foreign: foreign.filter(({ name }) => !initializers.has(name)),
    nodes: ofGraph(graphField.node).map((each) => ({ ...decodeNode(content(each)), field: each })),
    initializers,
    values: new Map(values.map(({ name, dtype, shape }) => [name, { name, dtype, shape }])),
    modelFields,
    graphFields,
    stamp: file.stamp,
  };
}

function opsetOf(fields: readonly Field[], content: (field: Field) => Uint8Array): number {
  const imports = fields
    .filter(({ number }) => number === modelField.opsetImport)
    .map((candidate) => decodeOpset(content(candidate)));
  return imports.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 1;
}

function notOnnx(path: string): ToolkitError {
  return new ToolkitError('ONNX_INVALID', 'This is not an ONNX model: it has no graph', {
    where: { file: path },
    hint: 'Give an .onnx file; a Keras file is turned into one with `graft convert`.',
  });
}

function storedTensor(file: FileRanges, path: string, at: Field): StoredTensor {
  const parts = [...fieldsOf(file, at.content, at.end)];
  const raw = parts.findLast(({ number }) => number === tensorField.rawData);
  const small = parts.filter((part) => part !== raw);
  const proto = decodeTensor(
    Uint8Array.from(small.flatMap(({ start, end }) => [...headBytes(file, start, end)])),
  );
  const dtype = dtypeOf(proto.dataType);
  const where = { file: file.path, path: `initializer "${proto.name}"` };
  if (!dtype) {
    throw new ToolkitError('ONNX_INVALID', `Element type ${proto.dataType} is not supported`, {
      where,
      hint: 'Weights must be floats, integers or booleans of 8 to 64 bits.',
    });
  }
  const head: TensorHead = { name: proto.name, dtype, shape: proto.dims.map(Number) };
  const external = new Map(proto.externalData.map(({ key, value }) => [key ?? '', value ?? '']));
  if (raw) {
    checkLength(head, raw.end - raw.content, where);
    return rangeTensor(head, at, { file: path, offset: raw.content, stamp: file.stamp });
  }
  if (external.size > 0) {
    return rangeTensor(head, at, externalRange(path, external, { head, where }));
  }
  const bytes = numbersOf(proto, dtype);
  checkLength(head, bytes.byteLength, where);
  const width = dtypeBytes[dtype];
  const source = sourceOf(dtype, head.shape, (start, count) =>
    bytes.subarray(start * width, (start + count) * width),
  );
  return { ...source, name: head.name, field: at, range: undefined, isExternal: false };
}

/** Numbers spelled out field by field are small in every file that a converter wrote; a limit guards against others. */
const largestSpelledOut = 64 * 1024 * 1024;

function headBytes(file: FileRanges, start: number, end: number): Uint8Array {
  if (end - start <= largestSpelledOut) return file.read(start, end - start);
  throw new ToolkitError('ONNX_INVALID', 'A weight is spelled out as more than 64 MiB of numbers', {
    where: { file: file.path },
    hint: 'Save the model again with its weights as raw data.',
  });
}

function checkLength(head: TensorHead, found: number, where: TensorPlace): void {
  const expected = byteLengthOf(head);
  if (expected === found) return;
  throw new ToolkitError(
    'ONNX_INVALID',
    `A weight of ${head.dtype} [${head.shape.join(', ')}] takes ${expected} bytes, but it has ${found}`,
    { where, hint: 'The file is damaged: export or convert it again.' },
  );
}

function rangeTensor(head: TensorHead, field: Field, range: Range): StoredTensor {
  const width = dtypeBytes[head.dtype];
  const source = sourceOf(head.dtype, head.shape, (start, count, into) => {
    const file = new FileRanges(range.file);
    try {
      if (file.stamp !== range.stamp) throw changed(range.file);
      return file.read(range.offset + start * width, count * width, into);
    } finally {
      file.close();
    }
  });
  return { ...source, name: head.name, field, range, isExternal: range.isExternal === true };
}

function changed(path: string): ToolkitError {
  return new ToolkitError('FILE_UNREADABLE', 'The file was changed while it was in use', {
    where: { file: path },
    hint: 'Start again with the file as it is now.',
  });
}

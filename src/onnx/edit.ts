import { basename, dirname } from 'node:path';
import { ToolkitError } from '../errors.ts';
import { byteLengthOf, type TensorSource } from '../tensor.ts';
import { readCard } from './card.ts';
import { carried, carriedTensor, openSame, raw, tensorAt } from './carry.ts';
import { mayLieOutside } from './external.ts';
import type { GraphBuilder } from './graph.ts';
import type { StoredModel, StoredNode, StoredTensor } from './read.ts';
import {
  decodeEntry,
  encodeExternalTensor,
  encodeNode,
  encodeValue,
  graphField,
  modelField,
  type Renaming,
  type TensorEncoder,
} from './schema.ts';
import { type Field, type FileRanges, field, fieldsOf, joined, type Piece } from './wire.ts';
import { type Metadata, metadataPieces, type WrittenModel, writeFitting } from './write.ts';

/**
 * A small model of the same file: its graph, with the large weights as external data that points back into the file.
 *
 * With `outputs`, it is cut: only what these values need is kept. Give onnxruntime `bytes`, and `folder` as the
 * session option `session.model_external_initializers_file_folder_path`. The file must stay as it is meanwhile.
 * Throws ONNX_VALUE_UNKNOWN.
 */
export function graphOnly(
  model: StoredModel,
  options: { readonly outputs?: readonly string[] } = {},
): { readonly bytes: Uint8Array; readonly folder: string } {
  const file = openSame(model);
  try {
    const cut = options.outputs && neededFor(model, options.outputs);
    const keep = (name: string): boolean => cut?.values.has(name) ?? true;
    const outputs = options.outputs?.map((name) =>
      field(graphField.output, [outputOf(model, name)]),
    );
    const nodes = cut?.nodes ?? new Set(model.nodes);
    const parts = model.graphFields.flatMap((at): readonly Piece[] => {
      if (at.number === graphField.output) return outputs ? [] : [raw(file, at)];
      if (at.number === graphField.node) return kept(model.nodes, nodes, at) ? [raw(file, at)] : [];
      if (at.number === graphField.initializer) {
        const tensor = tensorAt(model, at);
        return tensor && keep(tensor.name) ? mapped(model, tensor, () => raw(file, at)) : [];
      }
      return [raw(file, at)];
    });
    const graph = field(modelField.graph, [...parts, ...(outputs?.flat() ?? [])]);
    const bytes = joined(
      model.modelFields.flatMap((at) => (at.number === modelField.graph ? graph : [raw(file, at)])),
    );
    return { bytes, folder: dirname(model.path) };
  } finally {
    file.close();
  }
}

function kept(all: readonly StoredNode[], nodes: ReadonlySet<StoredNode>, at: Field): boolean {
  const node = all.find((candidate) => candidate.field.start === at.start);
  return node !== undefined && nodes.has(node);
}

function mapped(model: StoredModel, tensor: StoredTensor, inline: () => Piece): readonly Piece[] {
  const length = byteLengthOf(tensor);
  // Weights of a file beside the model stay where they are: it names them from the same folder.
  if (tensor.range?.file !== model.path || !mayLieOutside(tensor)) return [inline()];
  const { offset } = tensor.range;
  const location = basename(model.path);
  return field(graphField.initializer, [
    encodeExternalTensor(tensor.name, tensor, { location, offset, length }),
  ]);
}

/** The ValueInfoProto of a value that becomes an output; one without a declared shape is taken to be float32 of any shape. */
function outputOf(model: StoredModel, name: string): Uint8Array {
  const value = model.values.get(name);
  if (value) return encodeValue(value);
  // ValueInfoProto: name = 1, type = 2; TypeProto: tensor_type = 1; Tensor: elem_type = 1 (float32 = 1)
  return joined([
    ...field(1, [new TextEncoder().encode(name)]),
    ...field(2, field(1, [Uint8Array.of(8, 1)])),
  ]);
}

interface Needed {
  readonly nodes: ReadonlySet<StoredNode>;
  /** Every value that these nodes take, and the targets. */
  readonly values: ReadonlySet<string>;
}

/** The nodes and values that some values are computed from. Throws ONNX_VALUE_UNKNOWN. */
export function neededFor(model: StoredModel, targets: readonly string[]): Needed {
  const producers = new Map(
    model.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)),
  );
  const nodes = new Set<StoredNode>();
  const values = new Set<string>();
  const open = [...targets];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === '' || values.has(name)) continue;
    values.add(name);
    const node = producers.get(name);
    if (node && !nodes.has(node)) {
      nodes.add(node);
      open.push(...node.inputs, ...node.captured);
    }
  }
  for (const target of targets) checkKnown(model, producers, target);
  return { nodes, values };
}

function checkKnown(
  model: StoredModel,
  producers: ReadonlyMap<string, StoredNode>,
  target: string,
): void {
  const isInput = model.inputs.some(({ name }) => name === target);
  if (producers.has(target) || isInput) return;
  const known = model.nodes.flatMap(({ outputs }) => outputs).filter((name) => !name.includes('/'));
  const values = `${known.slice(0, 60).join(', ')}${known.length > 60 ? ', …' : ''}`;
  const layer = readCard(model).layers?.find(({ name }) => name === target);
  if (layer?.output === null) {
    throw new ToolkitError(
      'ONNX_VALUE_UNKNOWN',
      `The layer "${target}" has no value of its own in the graph: it was merged with the layer after it`,
      {
        where: { file: model.path },
        hint: `Convert the Keras file again with --features ${target}, or take one of the values that it has: ${values}.`,
      },
    );
  }
  const own = layer ? `The value of this layer is called "${layer.output}". ` : '';
  throw new ToolkitError('ONNX_VALUE_UNKNOWN', `The graph has no value named "${target}"`, {
    where: { file: model.path },
    hint: `${own}Values that it has: ${values}.`,
  });
}

/** What takes the place of the end of a graph. */
export interface Splice {
  /** The value at which the old graph is cut; everything that it needs stays byte for byte. */
  readonly at: string;
  /** New nodes and weights. Its one input stands for the value `at`; its outputs become the model's. */
  readonly head: GraphBuilder;
  /** Metadata that is added, or replaced where the key is there already. */
  readonly metadata: Metadata;
  /** Keys of the old metadata that are true no more. */
  readonly withdrawn?: readonly string[];
  /** New numbers for weights of the part that stays, by initializer name. */
  readonly replaced?: ReadonlyMap<string, TensorSource>;
  readonly force?: boolean | undefined;
}

/**
 * Writes a model whose beginning is that of `base` and whose end is a new head.
 *
 * Weights and nodes that stay are copied as bytes, and so is every field that this toolkit does not know, whatever
 * IR version wrote it. Memory: the graph and one chunk. Throws ONNX_VALUE_UNKNOWN, OUTPUT_EXISTS, OUTPUT_UNWRITABLE.
 */
export async function spliceModel(
  base: StoredModel,
  target: string,
  splice: Splice,
): Promise<WrittenModel> {
  const file = openSame(base);
  const pieces = (encode: TensorEncoder): readonly Piece[] =>
    base.modelFields.flatMap((at): readonly Piece[] => {
      if (at.number === modelField.graph) {
        return field(modelField.graph, splicedGraph(file, base, { splice, encode }));
      }
      return isReplaced(file, at, splice) ? [] : [carried(file, at)];
    });
  try {
    const last = metadataPieces(splice.metadata);
    return await writeFitting(target, pieces, { force: splice.force, last: () => last });
  } finally {
    file.close();
  }
}

function isReplaced(file: FileRanges, at: Field, { metadata, withdrawn = [] }: Splice): boolean {
  if (at.number !== modelField.metadata) return false;
  const [key] = decodeEntry(file.read(at.content, at.end - at.content));
  return key in metadata || withdrawn.includes(key);
}

/** A splice, and where its weights go. */
interface Splicing {
  readonly splice: Splice;
  readonly encode: TensorEncoder;
}

function splicedGraph(file: FileRanges, base: StoredModel, splicing: Splicing): Piece[] {
  const { splice, encode } = splicing;
  const needed = neededFor(base, [splice.at]);
  const rename = headNames(base, needed, splice);
  const old = base.graphFields.flatMap((at): readonly Piece[] => {
    switch (at.number) {
      case graphField.node:
        return kept(base.nodes, needed.nodes, at) ? [carried(file, at)] : [];
      case graphField.initializer:
        return keptTensor(file, base, { at, needed, ...splicing });
      case graphField.valueInfo:
        return needed.values.has(nameAt(file, at)) ? [carried(file, at)] : [];
      case graphField.output:
        return [];
      default:
        return [carried(file, at)];
    }
  });
  return [...old, ...headPieces(splice.head, rename, encode)];
}

function keptTensor(
  file: FileRanges,
  base: StoredModel,
  {
    at,
    needed,
    splice,
    encode,
  }: Splicing & {
    readonly at: Field;
    readonly needed: Needed;
  },
): readonly Piece[] {
  const tensor = tensorAt(base, at);
  if (!tensor || !needed.values.has(tensor.name)) return [];
  const source = splice.replaced?.get(tensor.name);
  if (!source) return carriedTensor(file, tensor, encode);
  return field(graphField.initializer, encode(tensor.name, source));
}

/** The name of the ValueInfoProto at a place: its field 1, wherever that stands. */
function nameAt(file: FileRanges, at: Field): string {
  const name = [...fieldsOf(file, at.content, at.end)].find(({ number }) => number === 1);
  return name ? new TextDecoder().decode(file.read(name.content, name.end - name.content)) : '';
}

function headPieces(head: GraphBuilder, rename: Renaming, encode: TensorEncoder): Piece[] {
  const outputs = new Set(head.outputs.map(({ name }) => name));
  const inner = head.nodes.flatMap((node) => [...node.outputs]);
  return [
    ...head.nodes.flatMap((node) => field(graphField.node, [encodeNode(node, rename)])),
    ...[...head.initializers].flatMap(([name, source]) =>
      field(graphField.initializer, encode(rename(name), source)),
    ),
    ...inner
      .filter(({ name }) => !outputs.has(name))
      .flatMap((value) => field(graphField.valueInfo, [encodeValue(value, rename)])),
    ...head.outputs.flatMap((value) => field(graphField.output, [encodeValue(value, rename)])),
  ];
}

/** The head's names as they are in the new model: its input is the value at the cut, and no name is taken twice. */
function headNames(base: StoredModel, needed: Needed, { at, head }: Splice): Renaming {
  const [input, ...others] = head.inputs;
  if (!input || others.length > 0) throw new Error('Bug: a head has exactly one input');
  const taken = new Set<string>([
    ...needed.values,
    ...[...needed.nodes].flatMap(({ name, outputs }) => [name, ...outputs]),
    ...base.inputs.map(({ name }) => name),
  ]);
  const names = new Map<string, string>([[input.name, at]]);
  return (name) => {
    const known = names.get(name);
    if (known !== undefined) return known;
    let fresh = name;
    for (let i = 1; taken.has(fresh); i++) fresh = `${name}_${i}`;
    taken.add(fresh);
    names.set(name, fresh);
    return fresh;
  };
}

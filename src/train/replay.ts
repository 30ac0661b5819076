import { ToolkitError } from '../errors.ts';
import { neededFor } from '../onnx/edit.ts';
import { GraphBuilder } from '../onnx/graph.ts';
import type { OpType } from '../onnx/ops.ts';
import type { StoredModel, StoredNode, StoredTensor } from '../onnx/read.ts';
import { dtypeBytes, sizeOf, type Value } from '../tensor.ts';
import { isKnownOp, typedNode } from './stored-node.ts';

/** Which part of a model is rebuilt. */
export interface ReplayOptions {
  /** Values at which it begins; each becomes an input [n, ...] of the same name. Default: the model's inputs. */
  readonly from?: readonly string[] | undefined;
  /** The value at which it ends. Default: the model's first output. */
  readonly to?: string | undefined;
}

/** A part of a model as a graph under construction. */
export interface Replayed {
  /** Its inputs are the values it begins with; its weights have their stored names and stay in the file. */
  readonly graph: GraphBuilder;
  /** All values by their stored names. */
  readonly values: ReadonlyMap<string, Value>;
  /** The value at which it ends; not declared as an output, so that a head can follow. */
  readonly end: Value;
}

/**
 * Rebuilds a part of a model on a `GraphBuilder`, where it can be differentiated and added to.
 *
 * Nothing is read but small constants. Throws GRADIENT_MISSING, which names all nodes whose operators are not in our
 * table, and ONNX_VALUE_UNKNOWN.
 */
export function replay(model: StoredModel, options: ReplayOptions = {}): Replayed {
  const from = options.from ?? model.inputs.map(({ name }) => name);
  const to = options.to ?? model.outputs[0]?.name ?? '';
  neededFor(model, [...from, to]);
  const nodes = nodesFrom(model, from, to);
  refuseUnknown(model, nodes, to);
  const graph = new GraphBuilder();
  const values = new Map(inputsOf(model, from, graph).map((value) => [value.name, value]));
  for (const node of nodes) replayNode(model, node, { graph, values });
  const end = values.get(to);
  if (!end) throw new Error(`Bug: "${to}" was not rebuilt`);
  return { graph, values, end };
}

/** The nodes between some values and another, in the file's order. */
function nodesFrom(model: StoredModel, from: readonly string[], to: string): StoredNode[] {
  const wanted = new Set([to]);
  const given = new Set(from);
  const found = model.nodes.toReversed().filter((node) => {
    const isNeeded = node.outputs.some((name) => wanted.has(name) && !given.has(name));
    if (isNeeded) for (const name of [...node.inputs, ...node.captured]) wanted.add(name);
    return isNeeded;
  });
  const missing = model.inputs.find(({ name }) => wanted.has(name) && !given.has(name));
  if (!missing) return found.toReversed();
  throw new ToolkitError(
    'ONNX_VALUE_UNKNOWN',
    `"${to}" should follow from ${from.map((name) => `"${name}"`).join(', ')} alone, but needs "${missing.name}" too`,
    {
      where: { file: model.path },
      hint: 'Cut the model where all its paths meet, or before they part.',
    },
  );
}

function refuseUnknown(model: StoredModel, nodes: readonly StoredNode[], to: string): void {
  const unknown = nodes.filter((node) => !isKnownOp(node));
  const [first] = unknown;
  if (!first) return;
  const list = unknown.map((node) => `${node.op} (${pathFrom(nodes, node, to)})`).join('; ');
  throw new ToolkitError('GRADIENT_MISSING', `Nothing can be trained through ${list}`, {
    where: { file: model.path, node: first.name },
    hint: 'Train only layers behind these nodes.',
  });
}

/** The way from the end back to a node, as names. */
function pathFrom(nodes: readonly StoredNode[], node: StoredNode, to: string): string {
  const users = new Map<string, StoredNode>();
  for (const each of nodes) for (const input of each.inputs) users.set(input, each);
  const path = [node.name];
  for (let at = node.outputs[0] ?? ''; at !== to; ) {
    const next = users.get(at);
    if (!next) break;
    path.push(next.name);
    at = next.outputs[0] ?? to;
  }
  return path.toReversed().join(' ← ');
}

function inputsOf(model: StoredModel, from: readonly string[], graph: GraphBuilder): Value[] {
  return from.map((name) => {
    const known = model.values.get(name) ?? model.inputs.find((input) => input.name === name);
    const value = known ?? replay(model, { to: name }).end;
    return graph.input(name, value.dtype, ['n', ...value.shape.slice(1)]);
  });
}

interface Target {
  readonly graph: GraphBuilder;
  readonly values: Map<string, Value>;
}

function replayNode(model: StoredModel, node: StoredNode, { graph, values }: Target): void {
  const inputs = node.inputs.map((name) => {
    if (name === '') return undefined;
    const value = values.get(name) ?? weightOf(model, name, graph);
    values.set(name, value);
    return value;
  });
  const typed = typedNode(node, inputs, graph);
  const outputs = copyNode(graph, typed, node);
  node.outputs.forEach((name, i) => {
    const output = outputs[i];
    if (name !== '' && output) values.set(name, output);
  });
}

/** Adds a node that was checked against the table of operators, under its own names. */
function copyNode(
  graph: GraphBuilder,
  node: ReturnType<typeof typedNode>,
  { name, outputs }: Pick<StoredNode, 'name' | 'outputs'>,
): readonly [Value, ...Value[]] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any operator but Loop and Scan, which isKnownOp refuses, takes this way
  const op = node.op as Exclude<OpType, 'Loop' | 'Scan'>;
  const own = name || (outputs.find(Boolean) ?? op);
  return graph.copy(
    // What a file has no name for, as nobody uses it there, a gradient may.
    { op, name: own, outputs: outputs.map((output, i) => output || `${own}_out${i}`) },
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the file is a valid model, so it has the operator's inputs
    node.inputs as never,
    node.attributes,
  );
}

/** Lists that shape rules need to know, such as axes and scales. */
const constantSize = 64;

function weightOf(model: StoredModel, name: string, graph: GraphBuilder): Value {
  const tensor = model.initializers.get(name);
  if (!tensor) throw new Error(`Bug: nothing makes "${name}"`);
  const value = graph.initializer(name, tensor);
  const isList = tensor.shape.length <= 1 && sizeOf(tensor.shape) <= constantSize;
  return isList ? { ...value, constant: constantOf(tensor) } : value;
}

function constantOf(tensor: StoredTensor): readonly number[] {
  const count = sizeOf(tensor.shape);
  const bytes = tensor.read(0, count).slice(0, count * dtypeBytes[tensor.dtype]);
  if (tensor.dtype === 'int64') return Array.from(new BigInt64Array(bytes.buffer), Number);
  if (tensor.dtype === 'int32') return [...new Int32Array(bytes.buffer)];
  if (tensor.dtype === 'float32') return [...new Float32Array(bytes.buffer)];
  return [...bytes];
}

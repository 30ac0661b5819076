/* oxlint-disable eslint/max-lines -- one table of everything of its kind */
import type { Value } from '../../../tensor.ts';
import { axisIn, inLayoutOf, integers, type KerasTensor, kerasTensor } from '../../layout.ts';
import { aligned } from '../../merging.ts';
import { Algebra } from './algebra.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';
import { getItem } from './slicing.ts';

function kerasValue(call: OperationCall): Value {
  return call.bench.layouts.keras(call.x).value;
}

/** To a shape that names the batch too: as 0, if it is -1 and another size is open. */
function reshape(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const x = kerasValue(call);
  const target = call.raw(1, 'newshape', 'shape');
  const computed = call.tensorOf(target);
  if (computed) {
    const sizes = call.bench.layouts.keras(computed).value;
    return kerasTensor(graph.add('Reshape', [x, graph.add('Cast', [sizes], { to: 'int64' })]));
  }
  const list: readonly unknown[] = Array.isArray(target) ? target : [target];
  if (list.some((size) => call.tensorOf(size))) return reshapedToComputed(x, list, call);
  const sizes = list.map((size) => (size === null ? -1 : Number(size)));
  if (!sizes.every(Number.isInteger)) throw call.refused('a shape that is computed');
  const isOpen = sizes.filter((size) => size === -1).length > 1;
  const known = isOpen && sizes[0] === -1 ? [0, ...sizes.slice(1)] : sizes;
  return kerasTensor(graph.add('Reshape', [x, integers(graph, 'shape', known)]));
}

/** To a shape some of whose sizes other nodes computed. */
function reshapedToComputed(x: Value, list: readonly unknown[], call: OperationCall): KerasTensor {
  const { graph, layouts } = call.bench;
  const [first, ...others] = list.map((size) => {
    const tensor = call.tensorOf(size);
    if (!tensor) return integers(graph, 'size', [Number(size ?? -1)]);
    const whole = graph.add('Cast', [layouts.keras(tensor).value], { to: 'int64' });
    return graph.add('Reshape', [whole, integers(graph, 'shape', [1])]);
  });
  if (!first) throw new Error('Bug: one size is computed');
  const target = graph.add('Concat', [first, ...others], { axis: 0 });
  const value = graph.add('Reshape', [x, target]);
  const dims = value.shape.map((dim, axis) => {
    const size = list[axis];
    return typeof size === 'number' && size >= 0 ? size : dim;
  });
  return kerasTensor(graph.rename(value, value.name, dims));
}

/** The sizes of a tensor. */
function shapeOf(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const x = kerasValue(call);
  const known = x.shape.map((dim) => (typeof dim === 'number' ? dim : undefined));
  return kerasTensor(graph.know(graph.add('Shape', [x]), known));
}

function transpose(call: OperationCall): KerasTensor {
  const x = kerasValue(call);
  const axes = call.integers(1, 'axes', 'perm');
  const perm = axes
    ? axesFromStart(axes, x.shape.length)
    : x.shape.map((_, axis) => x.shape.length - 1 - axis);
  return kerasTensor(call.bench.graph.add('Transpose', [x], { perm }));
}

function swapAxes(call: OperationCall): KerasTensor {
  const x = kerasValue(call);
  const pair = [call.number(1, undefined, 'axis1'), call.number(2, undefined, 'axis2')];
  const [a = 0, b = 0] = axesFromStart(pair, x.shape.length);
  const perm = x.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis));
  return kerasTensor(call.bench.graph.add('Transpose', [x], { perm }));
}

function moveAxis(call: OperationCall): KerasTensor {
  const x = kerasValue(call);
  const rank = x.shape.length;
  const from = axesFromStart(call.integers(1, 'source') ?? [], rank);
  const to = axesFromStart(call.integers(2, 'destination') ?? [], rank);
  const rest = x.shape.map((_, axis) => axis).filter((axis) => !from.includes(axis));
  const perm = x.shape.map((_, axis) => {
    const moved = to.indexOf(axis);
    return (moved < 0 ? rest.shift() : from[moved]) ?? axis;
  });
  return kerasTensor(call.bench.graph.add('Transpose', [x], { perm }));
}

function expandDims(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const axes = call.integers(1, 'axis') ?? [-1];
  return kerasTensor(graph.add('Unsqueeze', [kerasValue(call), integers(graph, 'axes', axes)]));
}

function squeeze(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const x = kerasValue(call);
  const ones = x.shape.flatMap((dim, axis) => (dim === 1 ? [axis] : []));
  const axes = call.integers(1, 'axis', 'squeeze_dims') ?? ones;
  return kerasTensor(graph.add('Squeeze', [x, integers(graph, 'axes', axes)]));
}

function concatenate(call: OperationCall): KerasTensor {
  return concatenated(call, call.number(call.tensors.length, -1, 'axis'));
}

function concatenated(call: OperationCall, along: number): KerasTensor {
  const { graph, layouts } = call.bench;
  const [head, ...tail] = call.tensors;
  if (!head) throw call.refused('no tensors');
  if (call.hasConstantParts) {
    const [axis = 0] = axesFromStart([along], head.shape.length);
    return kerasTensor(joined(call.parts, axis, call));
  }
  if (head.shape.length === 1) return kerasTensor(joined(call.parts, 0, call));
  const [first, ...others] = aligned([head, ...tail], layouts, 'axis');
  const axis = axisIn(first, along);
  const values = others.map(({ value }) => value);
  return inLayoutOf(first, graph.add('Concat', [first.value, ...values], { axis }));
}

/** Along an axis; what is known of lists of numbers is known of them joined. */
function joined(parts: readonly Value[], axis: number, { bench: { graph } }: OperationCall): Value {
  const value = new Algebra(graph).concat(parts, axis);
  const known = parts.flatMap((part) => part.known ?? part.constant ?? [undefined]);
  const isList = value.shape.length === 1 && known.length === value.shape[0] && parts.length > 1;
  return isList ? graph.know(value, known) : value;
}

function stack(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const axis = call.number(call.parts.length, 0, 'axis');
  const rank = call.x.shape.length + 1;
  const at = axis < 0 ? axis + rank : axis;
  const parts = call.parts.map((part) => {
    const thin = m.unsqueeze(part, [at]);
    const known = part.known ?? part.constant;
    return known?.length === 1 ? m.graph.know(thin, known) : thin;
  });
  return kerasTensor(joined(parts, at, call));
}

/** Into equal parts, at places (Keras 3), or by sizes (TensorFlow). */
function splitAlong(
  along?: (rank: number) => number,
): (call: OperationCall) => readonly KerasTensor[] {
  return (call) => {
    const rank = call.x.shape.length;
    return split(call, along ? along(rank) : call.number(2, 0, 'axis'));
  };
}

function split(call: OperationCall, along: number): readonly KerasTensor[] {
  const { graph } = call.bench;
  const x = kerasValue(call);
  const rank = x.shape.length;
  const [axis = 0] = axesFromStart([along], rank);
  const size = x.shape[axis];
  const parts = call.integers(1, 'indices_or_sections', 'num_or_size_splits') ?? [];
  if (typeof size !== 'number') throw call.refused('an axis of open size');
  const isPlaces = Array.isArray(call.raw(1, 'indices_or_sections'));
  const sizes = partSizes(parts, { size, isPlaces });
  return graph
    .addAll('Split', [x, integers(graph, 'split', sizes)], { axis })
    .map((value) => kerasTensor(value));
}

function partSizes(
  parts: readonly number[],
  { size, isPlaces }: { readonly size: number; readonly isPlaces: boolean },
): readonly number[] {
  if (isPlaces) return [...parts, size].map((place, i) => place - (parts[i - 1] ?? 0));
  const [count = 1, ...others] = parts;
  if (others.length > 0) return parts.map((part) => (part === -1 ? size - sumOf(parts) - 1 : part));
  // What is left over goes to the first ones, as NumPy's array_split has it.
  return Array.from(
    { length: count },
    (_, i) => Math.floor(size / count) + (i < size % count ? 1 : 0),
  );
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

function flip(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const x = kerasValue(call);
  const axes = call.integers(1, 'axis') ?? x.shape.map((_, axis) => axis);
  const list = (stem: string, number: number): Value =>
    integers(
      graph,
      stem,
      axes.map(() => number),
    );
  return kerasTensor(
    graph.add('Slice', [
      x,
      list('starts', -1),
      list('ends', -(2 ** 31)),
      integers(graph, 'axes', axesFromStart(axes, x.shape.length)),
      list('steps', -1),
    ]),
  );
}

function broadcastTo(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const shape = call.integers(1, 'shape') ?? [];
  const sizes = shape.map((size) => (size === -1 ? 1 : size));
  return kerasTensor(graph.add('Expand', [kerasValue(call), integers(graph, 'shape', sizes)]));
}

const padModes = ['constant', 'reflect', 'edge', 'symmetric'] as const;

function pad(call: OperationCall): KerasTensor {
  const { graph, layouts } = call.bench;
  const x = layouts.padded(call.x);
  const pairs: unknown = call.raw(1, 'pad_width', 'paddings');
  const mode = call.word(2, { names: ['mode'], of: padModes, byDefault: 'constant' });
  const list: readonly unknown[] = Array.isArray(pairs) ? pairs : [];
  const isPair = list.length === 2 && list.every((part) => typeof part === 'number');
  const sides = [0, 1].map((side) =>
    x.shape.map((_, axis) => {
      const pair: unknown = isPair ? list : (list[axis] ?? list[0] ?? pairs);
      return Number(Array.isArray(pair) ? pair[side] : pair);
    }),
  );
  if (sides.flat().some(Number.isNaN)) throw call.refused(`padding ${JSON.stringify(pairs)}`);
  const order = x.shape.map((_, axis) => axis).toSorted((a, b) => axisIn(x, a) - axisIn(x, b));
  const pads = sides.flatMap((side) => order.map((axis) => side[axis] ?? 0));
  if (mode === 'symmetric') return inLayoutOf(x, mirrored(x.value, pads, new Algebra(graph)));
  const fill = call.number(3, 0, 'constant_values');
  const sizes = integers(graph, 'pads', pads);
  return inLayoutOf(
    x,
    fill === 0
      ? graph.add('Pad', [x.value, sizes], { mode })
      : graph.add('Pad', [x.value, sizes, call.constant(fill, x.value)], { mode }),
  );
}

/** Mirrored with the edge itself, which ONNX has no mode for: what is beyond an edge is a slice backwards. */
function mirrored(x: Value, pads: readonly number[], m: Algebra): Value {
  const rank = x.shape.length;
  return x.shape.reduce<Value>((value, _, axis) => {
    const [before = 0, after = 0] = [pads[axis], pads[axis + rank]];
    if (before === 0 && after === 0) return value;
    const front = before === 0 ? [] : [m.slice(value, axis, [before - 1, -(2 ** 31), -1])];
    const back = after === 0 ? [] : [m.slice(value, axis, [-1, -after - 1, -1])];
    return m.concat([...front, value, ...back], axis);
  }, x);
}

function matrixFactor(call: OperationCall, position: number, names: readonly string[]): Value {
  const operand = call.operand(position, ...names);
  return typeof operand === 'object' && 'layout' in operand
    ? call.bench.layouts.keras(operand).value
    : call.constant(operand, call.like);
}

function matmul(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const turn = (x: Value, isTurned: boolean): Value => {
    if (!isTurned) return x;
    const last = x.shape.length - 1;
    const perm = x.shape.map((_, axis) =>
      axis === last ? last - 1 : axis === last - 1 ? last : axis,
    );
    return graph.add('Transpose', [x], { perm });
  };
  const a = turn(matrixFactor(call, 0, ['x1', 'a']), call.flag(2, 'transpose_a', 'adj_x'));
  const b = turn(matrixFactor(call, 1, ['x2', 'b']), call.flag(3, 'transpose_b', 'adj_y'));
  if (a.shape.length < 3 || b.shape.length > 1) return kerasTensor(graph.add('MatMul', [a, b]));
  return kerasTensor(timesVector(a, b, new Algebra(graph)));
}

/**
 * A stack of matrices times one vector, as a matrix of one column.
 *
 * onnxruntime's MatmulTransposeFusion (still so in 1.30) takes a Transpose before a MatMul into it, and then reads the
 * wrong numbers where the other side is a vector.
 */
export function timesVector(a: Value, b: Value, m: Algebra): Value {
  const product = m.graph.add('MatMul', [a, m.unsqueeze(b, [1])]);
  return m.squeeze(product, [product.shape.length - 1]);
}

function ravel(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  return kerasTensor(graph.add('Reshape', [kerasValue(call), integers(graph, 'shape', [-1])]));
}

/** The tensors along an axis, one by one. */
function unstack(call: OperationCall): readonly KerasTensor[] {
  const { graph } = call.bench;
  const x = kerasValue(call);
  const [axis = 0] = axesFromStart([call.number(2, 0, 'axis')], x.shape.length);
  const size = x.shape[axis];
  if (typeof size !== 'number') throw call.refused('an axis of open size');
  return Array.from({ length: size }, (_, at) =>
    kerasTensor(graph.add('Gather', [x, graph.integers('place', [at], [])], { axis })),
  );
}

/** The largest numbers along the last axis, and where they are. */
function topK(call: OperationCall): readonly KerasTensor[] {
  const { graph } = call.bench;
  const x = kerasValue(call);
  const k = integers(graph, 'k', [call.number(1, 1, 'k')]);
  if ((call.raw(2, 'sorted') ?? true) === false) {
    call.bench.warn(
      'the order of the largest numbers is left open (sorted=False), and here it is from the largest on',
    );
  }
  const last = { axis: x.shape.length - 1, largest: 1, sorted: 1 } as const;
  return graph.addAll('TopK', [x, k], last).map((value) => kerasTensor(value));
}

/** Along a third axis, which is added where there is none. */
function dstack(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const parts = call.parts.map((value) => {
    const rank = value.shape.length;
    return rank > 2 ? value : m.unsqueeze(value, rank === 2 ? [2] : [0, 2]);
  });
  return kerasTensor(m.concat(parts, 2));
}

/** Operations that move elements, join tensors, or take them apart. */
export const shapeOperations: Readonly<Record<string, Operation>> = {
  reshape,
  shape: shapeOf,
  transpose,
  swapaxes: swapAxes,
  moveaxis: moveAxis,
  expand_dims: expandDims,
  squeeze,
  concatenate,
  stack,
  unstack,
  split: splitAlong(),
  array_split: splitAlong(),
  hsplit: splitAlong((rank) => (rank === 1 ? 0 : 1)),
  vsplit: splitAlong(() => 0),
  dsplit: splitAlong(() => 2),
  flip,
  broadcast_to: broadcastTo,
  pad,
  matmul,
  hstack: (call) => concatenated(call, call.x.shape.length === 1 ? 0 : 1),
  vstack: (call) => concatenated(call, 0),
  dstack,
  ravel,
  top_k: topK,
  get_item: getItem,
};

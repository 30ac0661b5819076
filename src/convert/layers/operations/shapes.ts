/* oxlint-disable eslint/max-lines -- one table of everything of its kind */
import type { Value } from '../../../tensor.ts';
import {
  axisIn,
  channelsFirstTensor,
  inLayoutOf,
  integers,
  type KerasTensor,
  kerasTensor,
} from '../../layout.ts';
import { aligned } from '../../merging.ts';
import { interpolations } from '../../resample.ts';
import { resizedImage } from '../../resize.ts';
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
  return kerasTensor(call.bench.graph.add('Shape', [kerasValue(call)]));
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
  const [first, ...others] = aligned([head, ...tail], layouts, 'axis');
  const axis = axisIn(first, along);
  const values = others.map(({ value }) => value);
  return inLayoutOf(first, graph.add('Concat', [first.value, ...values], { axis }));
}

function stack(call: OperationCall): KerasTensor {
  const { graph, layouts } = call.bench;
  const axis = call.number(call.tensors.length, 0, 'axis');
  const rank = call.x.shape.length + 1;
  const at = axis < 0 ? axis + rank : axis;
  const [first, ...others] = call.tensors.map((tensor) =>
    graph.add('Unsqueeze', [layouts.keras(tensor).value, integers(graph, 'axes', [at])]),
  );
  if (!first) throw call.refused('no tensors');
  return kerasTensor(graph.add('Concat', [first, ...others], { axis: at }));
}

/** Into equal parts, at places (Keras 3), or by sizes (TensorFlow). */
function split(call: OperationCall): readonly KerasTensor[] {
  const { graph } = call.bench;
  const x = kerasValue(call);
  const rank = x.shape.length;
  const [axis = 0] = axesFromStart([call.number(2, 0, 'axis')], rank);
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
  return others.length === 0 ? Array.from({ length: count }, () => size / count) : parts;
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

function tile(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const x = kerasValue(call);
  const repeats = call.integers(1, 'repeats', 'multiples') ?? [];
  const missing = x.shape.length - repeats.length;
  const all = [...Array.from({ length: Math.max(missing, 0) }, () => 1), ...repeats];
  return kerasTensor(graph.add('Tile', [x, integers(graph, 'repeats', all)]));
}

/** Each element so many times in a row along an axis. */
function repeat(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const x = kerasValue(call);
  const times = call.number(1, undefined, 'repeats');
  const [axis = 0] = axesFromStart([call.number(2, undefined, 'axis')], x.shape.length);
  const size = x.shape[axis];
  if (typeof size !== 'number') throw call.refused('an axis of open size');
  const order = Array.from({ length: size * times }, (_, i) => Math.floor(i / times));
  return kerasTensor(graph.add('Gather', [x, integers(graph, 'order', order)], { axis }));
}

function broadcastTo(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const shape = call.integers(1, 'shape') ?? [];
  const sizes = shape.map((size) => (size === -1 ? 1 : size));
  return kerasTensor(graph.add('Expand', [kerasValue(call), integers(graph, 'shape', sizes)]));
}

function pad(call: OperationCall): KerasTensor {
  const { graph, layouts } = call.bench;
  const x = layouts.padded(call.x);
  const pairs: unknown = call.raw(1, 'pad_width', 'paddings');
  // oxlint-disable-next-line typescript/no-base-to-string -- the text of a setting; anything else matches no row
  const mode = String(call.raw(2, 'mode') ?? 'constant').toLowerCase();
  if (!Array.isArray(pairs) || (mode !== 'constant' && mode !== 'reflect' && mode !== 'edge')) {
    throw call.refused(`padding ${JSON.stringify(pairs)} of mode ${mode}`);
  }
  const sides = [0, 1].map((side) =>
    x.shape.map((_, axis) => {
      const pair: unknown = pairs[axis] ?? pairs[0];
      return Number(Array.isArray(pair) ? pair[side] : pair);
    }),
  );
  const order = x.shape.map((_, axis) => axis).toSorted((a, b) => axisIn(x, a) - axisIn(x, b));
  const pads = sides.flatMap((side) => order.map((axis) => side[axis] ?? 0));
  const fill = call.number(3, 0, 'constant_values');
  const sizes = integers(graph, 'pads', pads);
  return inLayoutOf(
    x,
    fill === 0
      ? graph.add('Pad', [x.value, sizes], { mode })
      : graph.add('Pad', [x.value, sizes, call.constant(fill, x.value)], { mode }),
  );
}

/** Rows by their numbers along an axis. */
function take(call: OperationCall): KerasTensor {
  const { graph, layouts } = call.bench;
  const axis = call.raw(2, 'axis');
  const at = typeof axis === 'number' ? axis : 0;
  const x = layouts.keras(call.x).value;
  const indices = call.operand(1, 'indices');
  const places =
    typeof indices === 'object' && 'layout' in indices
      ? graph.add('Cast', [layouts.keras(indices).value], { to: 'int64' })
      : call.constant(indices, { name: '', dtype: 'int64', shape: [] });
  return kerasTensor(graph.add('Gather', [x, places], { axis: at < 0 ? at + x.shape.length : at }));
}

function matrixFactor(call: OperationCall, position: number, names: readonly string[]): Value {
  const operand = call.operand(position, ...names);
  return typeof operand === 'object' && 'layout' in operand
    ? call.bench.layouts.keras(operand).value
    : call.constant(operand, kerasValue(call));
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
  return kerasTensor(graph.add('MatMul', [a, b]));
}

function einsum(call: OperationCall): KerasTensor {
  const { graph, layouts } = call.bench;
  const [first, ...others] = call.tensors.map((tensor) => layouts.keras(tensor).value);
  const equation = call.raw(0, 'subscripts', 'equation');
  if (!first || typeof equation !== 'string' || !equation.includes('->')) {
    throw call.refused(`the equation ${JSON.stringify(equation)}`);
  }
  return kerasTensor(graph.add('Einsum', [first, ...others], { equation }));
}

/** Along an axis, or of all elements in a row where Keras 3 names none; TensorFlow's default is the first. */
function cumsum(call: OperationCall): KerasTensor {
  const { graph, origin } = call.bench;
  const isFlat = origin.generation === 'Keras 3' && call.raw(1, 'axis') === undefined;
  const x = isFlat
    ? graph.add('Reshape', [kerasValue(call), integers(graph, 'shape', [-1])])
    : kerasValue(call);
  const [axis = 0] = axesFromStart([call.number(1, 0, 'axis')], x.shape.length);
  return kerasTensor(graph.add('CumSum', [x, graph.integers('axis', [axis], [])], {}));
}

function oneHot(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const x = kerasValue(call);
  const depth = call.number(1, undefined, 'num_classes', 'depth');
  const ids = x.dtype === 'int64' ? x : graph.add('Cast', [x], { to: 'int64' });
  const column = graph.add('Unsqueeze', [ids, integers(graph, 'axes', [x.shape.length])]);
  const all = integers(
    graph,
    'classes',
    Array.from({ length: depth }, (_, i) => i),
  );
  return kerasTensor(graph.add('Cast', [graph.add('Equal', [column, all])], { to: 'float32' }));
}

/** A 1 for each class that is among the last axis. */
function multiHot(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  if (call.number(2, -1, 'axis') !== -1) throw call.refused('an axis that is not the last');
  const { value } = oneHot(call);
  return kerasTensor(
    graph.add('ReduceMax', [value], { axes: [value.shape.length - 2], keepdims: 0 }),
  );
}

function ravel(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  return kerasTensor(graph.add('Reshape', [kerasValue(call), integers(graph, 'shape', [-1])]));
}

/** Images [N, H, W, C] of another size. */
function resize(call: OperationCall): KerasTensor {
  const { layouts } = call.bench;
  const [height = 0, width = 0] = call.integers(1, 'size') ?? [];
  // oxlint-disable-next-line typescript/no-base-to-string -- the text of a setting; anything else matches no row
  const asked = String(call.raw(2, 'interpolation', 'method') ?? 'bilinear');
  const method = interpolations.find((name) => name === asked);
  if (!method) throw call.refused(`the interpolation ${asked}`);
  const isFirst = call.raw(9, 'data_format') === 'channels_first';
  const x = isFirst ? layouts.keras(call.x) : layouts.padded(layouts.channelsFirst(call.x));
  const antialias = call.flag(3, 'antialias');
  const value = resizedImage(x.value, { height, width, method, antialias }, call.bench);
  return isFirst ? kerasTensor(value) : channelsFirstTensor(value);
}

function blocks(op: 'SpaceToDepth' | 'DepthToSpace'): Operation {
  return (call) => {
    const { graph, layouts } = call.bench;
    const blocksize = call.number(1, undefined, 'block_size');
    const x = layouts.padded(layouts.channelsFirst(call.x)).value;
    return channelsFirstTensor(
      op === 'SpaceToDepth'
        ? graph.add('SpaceToDepth', [x], { blocksize })
        : graph.add('DepthToSpace', [x], { blocksize, mode: 'DCR' }),
    );
  };
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
  const last = { axis: x.shape.length - 1, largest: 1, sorted: 1 } as const;
  return graph.addAll('TopK', [x, k], last).map((value) => kerasTensor(value));
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
  split,
  flip,
  tile,
  repeat,
  broadcast_to: broadcastTo,
  pad,
  take,
  matmul,
  einsum,
  cumsum,
  one_hot: oneHot,
  multi_hot: multiHot,
  hstack: (call) => concatenated(call, 1),
  vstack: (call) => concatenated(call, 0),
  ravel,
  resize,
  space_to_depth: blocks('SpaceToDepth'),
  depth_to_space: blocks('DepthToSpace'),
  top_k: topK,
  get_item: getItem,
};

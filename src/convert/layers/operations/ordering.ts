import type { Value } from '../../../tensor.ts';
import { inLayoutOf, integers, type KerasTensor, kerasTensor } from '../../layout.ts';
import { sizeAlong } from '../../sizes.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';

const end = 2 ** 31 - 1;

function kerasValue(call: OperationCall): Value {
  return call.bench.layouts.keras(call.x).value;
}

/** What was sorted along an axis, smallest first: the numbers, and where they were. */
function sorted(call: OperationCall): readonly [Value, Value] {
  const { graph } = call.bench;
  const x = kerasValue(call);
  const [axis = 0] = axesFromStart([call.number(1, -1, 'axis')], x.shape.length);
  const [numbers, places = numbers] = graph.addAll('TopK', [x, sizeAlong(graph, x, axis)], {
    axis,
    largest: 0,
    sorted: 1,
  });
  return [numbers, places];
}

/** What goes over one end comes back at the other. */
function roll(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const shifts = call.integers(1, 'shift');
  const stated = call.integers(2, 'axis');
  if (!shifts || !stated) throw call.refused('an axis or a shift missing');
  const x = kerasValue(call);
  const axes = axesFromStart(stated, x.shape.length);
  const part = (value: Value, axis: number, [start, stop]: readonly [number, number]): Value =>
    graph.add('Slice', [
      value,
      integers(graph, 'starts', [start]),
      integers(graph, 'ends', [stop]),
      integers(graph, 'axes', [axis]),
    ]);
  const rolled = axes.reduce((value, axis, i) => {
    const size = x.shape[axis];
    const shift = shifts[i] ?? shifts[0] ?? 0;
    const by = typeof size === 'number' ? ((shift % size) + size) % size : shift;
    if (by === 0) return value;
    const halves = [part(value, axis, [-by, end]), part(value, axis, [0, -by])] as const;
    const joined = graph.add('Concat', halves, { axis });
    return graph.rename(joined, joined.name, x.shape);
  }, x);
  return kerasTensor(rolled);
}

function difference(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  if (call.number(1, 1, 'n') !== 1) throw call.refused('differences of differences');
  const x = kerasValue(call);
  const axes = integers(graph, 'axes', axesFromStart([call.number(2, -1, 'axis')], x.shape.length));
  const part = (start: number, stop: number): Value =>
    graph.add('Slice', [
      x,
      integers(graph, 'starts', [start]),
      integers(graph, 'ends', [stop]),
      axes,
    ]);
  return kerasTensor(graph.add('Sub', [part(1, end), part(0, -1)]));
}

function triangle(upper: 0 | 1): Operation {
  return (call) => {
    const { graph } = call.bench;
    const from = graph.integers('diagonal', [call.number(1, 0, 'k')], []);
    return kerasTensor(graph.add('Trilu', [kerasValue(call), from], { upper }));
  };
}

function takeAlongAxis(call: OperationCall): KerasTensor {
  const { graph, layouts } = call.bench;
  const x = kerasValue(call);
  const operand = call.operand(1, 'indices');
  const stated = call.raw(2, 'axis');
  if (typeof operand !== 'object' || !('layout' in operand) || typeof stated !== 'number') {
    throw call.refused('indices that are no tensor, or without an axis');
  }
  const [axis = 0] = axesFromStart([stated], x.shape.length);
  const indices = layouts.keras(operand).value;
  const isAlike = indices.shape.every((size, at) => at === axis || size === x.shape[at]);
  if (!isAlike) throw call.refused(`indices [${indices.shape.join(', ')}]`);
  const places = graph.add('Cast', [indices], { to: 'int64' });
  return kerasTensor(graph.add('GatherElements', [x, places], { axis }));
}

/** A part of a tensor, from where it starts, of a size on each axis; -1 is all that is left. */
function slice(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const starts = call.integers(1, 'start_indices', 'begin');
  const sizes = call.integers(2, 'shape', 'size');
  if (!starts || !sizes) throw call.refused('a start or a shape missing');
  const ends = starts.map((start, i) => (sizes[i] === -1 ? end : start + (sizes[i] ?? 0)));
  return kerasTensor(
    graph.add('Slice', [
      kerasValue(call),
      integers(graph, 'starts', starts),
      integers(graph, 'ends', ends),
      integers(
        graph,
        'axes',
        starts.map((_, axis) => axis),
      ),
    ]),
  );
}

/** The same number everywhere, in the shape of a tensor. */
function filled(number: number | undefined): Operation {
  return (call) => {
    const { graph, layouts } = call.bench;
    const x = layouts.padded(call.x);
    const fill = number ?? call.number(1, undefined, 'fill_value');
    const to = call.dtype('dtype') ?? x.value.dtype;
    const constant = call.constant(fill, { ...x.value, dtype: 'float32' });
    const value = graph.add('Expand', [constant, graph.add('Shape', [x.value])]);
    const whole = graph.rename(value, value.name, x.value.shape);
    return inLayoutOf(x, to === 'float32' ? whole : graph.add('Cast', [whole], { to }));
  };
}

/** Operations that put elements in another order, or pick some. Source: keras/src/ops/numpy.py. */
export const orderingOperations: Readonly<Record<string, Operation>> = {
  sort: (call) => kerasTensor(sorted(call)[0]),
  argsort: (call) => kerasTensor(sorted(call)[1]),
  roll,
  diff: difference,
  tril: triangle(0),
  triu: triangle(1),
  take_along_axis: takeAlongAxis,
  slice,
  zeros_like: filled(0),
  ones_like: filled(1),
  full_like: filled(undefined),
};

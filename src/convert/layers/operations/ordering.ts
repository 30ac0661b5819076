import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { Value } from '../../../tensor.ts';
import { inLayoutOf, integers, type KerasTensor, kerasTensor } from '../../layout.ts';
import { reshapeTo } from '../../sizes.ts';
import { Algebra } from './algebra.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';

const end = 2 ** 31 - 1;

function kerasValue(call: OperationCall): Value {
  return call.bench.layouts.keras(call.x).value;
}

/** What goes over one end comes back at the other. */
function roll(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const shifts = call.integers(1, 'shift');
  const stated = call.integers(2, 'axis');
  if (!shifts) throw call.refused('a shift that is computed');
  if (!stated) return rolledWhole(call, shifts[0] ?? 0);
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

/** All elements in a row, rolled, and given their shape back. */
function rolledWhole(call: OperationCall, shift: number): KerasTensor {
  const { graph } = call.bench;
  const m = new Algebra(graph);
  const x = kerasValue(call);
  const row = m.reshape(x, [-1]);
  const turned = m.concat([m.slice(row, 0, [-shift, end]), m.slice(row, 0, [0, -shift])], 0);
  const value = shift === 0 ? row : graph.rename(turned, turned.name, row.shape);
  return kerasTensor(reshapeTo(graph, value, x.shape, [x]));
}

function triangle(upper: 0 | 1): Operation {
  return (call) => {
    const { graph } = call.bench;
    const from = graph.integers('diagonal', [call.number(1, 0, 'k')], []);
    return kerasTensor(graph.add('Trilu', [kerasValue(call), from], { upper }));
  };
}

/** A part of a tensor, from where it starts, of a size on each axis; -1 is all that is left. */
function slice(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const starts = call.integers(1, 'start_indices', 'begin');
  const sizes = call.integers(2, 'shape', 'size');
  if (!starts || !sizes) throw call.refused('a start or a shape missing');
  const ends = starts.map((start, i) => (sizes[i] === -1 ? end : start + (sizes[i] ?? 0)));
  return kerasTensor(sliced(graph, kerasValue(call), { starts, ends }));
}

/** x[start:end:step] along the first axes, one of each for an axis. */
export function sliced(
  graph: GraphBuilder,
  x: Value,
  {
    starts,
    ends,
    steps,
  }: {
    readonly starts: readonly number[];
    readonly ends: readonly number[];
    readonly steps?: readonly number[];
  },
): Value {
  const axes = starts.map((_, axis) => axis);
  const inputs = [
    x,
    integers(graph, 'starts', starts),
    integers(graph, 'ends', ends),
    integers(graph, 'axes', axes),
  ] as const;
  return steps
    ? graph.add('Slice', [...inputs, integers(graph, 'steps', steps)])
    : graph.add('Slice', inputs);
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
  roll,
  tril: triangle(0),
  triu: triangle(1),
  slice,
  zeros_like: filled(0),
  ones_like: filled(1),
  empty_like: filled(0),
  full_like: filled(undefined),
};

import { integers, type KerasTensor, kerasTensor } from '../../layout.ts';
import { Algebra } from './algebra.ts';
import type { OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';
import { places } from './picking.ts';

/** Numbers put where the file says, those of one place added; zeros elsewhere. */
function scatter(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const shape = call.integers(2, 'shape');
  if (!shape) throw call.refused('a shape that is computed');
  const values = call.value(1, { dtype: 'float32' }, 'values', 'updates');
  const zeros = m.graph.add('Expand', [m.number(0, values), integers(m.graph, 'shape', shape)]);
  const indices = places(call, 0, 'indices');
  return kerasTensor(m.graph.add('ScatterND', [zeros, indices, values], { reduction: 'add' }));
}

function scatterUpdate(reduction: 'none' | 'add' | undefined): Operation {
  return (call) => {
    const m = new Algebra(call.bench.graph);
    const said = call.raw(3, 'reduction');
    const how = reduction ?? (said === undefined ? 'none' : said);
    if (how !== 'none' && how !== 'add' && how !== 'mul')
      throw call.refused(`reduction ${JSON.stringify(how)}`);
    const x = call.value(0, { dtype: 'float32' }, 'inputs', 'tensor');
    const updates = m.cast(call.value(2, x, 'updates'), x.dtype);
    return kerasTensor(
      m.graph.add('ScatterND', [x, places(call, 1, 'indices'), updates], { reduction: how }),
    );
  };
}

const starts = {
  sum: 0,
  prod: 1,
  max: Number.NEGATIVE_INFINITY,
  min: Number.POSITIVE_INFINITY,
} as const;

/** Rows of one number joined: all others are left out of each. */
function segment(kind: keyof typeof starts): Operation {
  return (call) => {
    const m = new Algebra(call.bench.graph);
    const x = call.kerasX;
    const count = call.number(2, undefined, 'num_segments');
    const ids = places(call, 1, 'segment_ids');
    const rank = x.shape.length;
    const all = m.graph.integers(
      'segments',
      Array.from({ length: count }, (_, i) => i),
      [count, 1],
    );
    const isIn = m.unsqueeze(
      m.graph.add('Equal', [all, ids]),
      Array.from({ length: rank - 1 }, (_, i) => i + 2),
    );
    if (kind === 'sum') return kerasTensor(m.sum(m.where(isIn, x, m.number(0, x)), [1]));
    if (x.dtype !== 'float32') throw call.refused('whole numbers');
    const op = { prod: 'ReduceProd', max: 'ReduceMax', min: 'ReduceMin' } as const;
    const others = m.where(isIn, x, m.number(starts[kind], x));
    return kerasTensor(m.graph.add(op[kind], [others], { axes: [1], keepdims: 0 }));
  };
}

/** Operations that put numbers somewhere, or join those of one number. Source: keras/src/ops/core.py and math.py. */
export const scatteringOperations: Readonly<Record<string, Operation>> = {
  scatter,
  scatter_update: scatterUpdate(undefined),
  tensor_scatter_nd_update: scatterUpdate('none'),
  tensor_scatter_nd_add: scatterUpdate('add'),
  segment_sum: segment('sum'),
  segment_prod: segment('prod'),
  segment_max: segment('max'),
  segment_min: segment('min'),
};

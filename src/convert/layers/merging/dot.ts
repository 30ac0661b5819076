import type { Where } from '../../../errors.ts';
import type { ConfigReader } from '../../../keras/config.ts';
import type { Value } from '../../../tensor.ts';
import { type Bench, defineLayer, type Layer, unsupported } from '../../layer.ts';
import { integers, kerasTensor } from '../../layout.ts';
import { readIntegers } from '../../read.ts';

interface Config {
  readonly axes: readonly number[];
  readonly normalize: boolean;
}

/**
 * Dot: products along one axis of each of two tensors, sample by sample; of vectors [N, F] it is [N, 1].
 *
 * Source: keras/src/layers/merging/dot.py (batch_dot).
 */
export const dot: Layer = defineLayer({
  keras: ['Dot'],
  inputs: 'many',
  read: (config): Config => ({
    axes: readAxes(config),
    normalize: config.boolean('normalize', false),
  }),
  weights: () => ({}),
  emit({ config, inputs, ...bench }) {
    const { graph, layouts, origin } = bench;
    const [x, y] = pairOf(
      inputs.map((tensor) => layouts.keras(tensor).value),
      bench,
    );
    const at = axesOf(config.axes, [x, y]);
    const ready = [x, y].map((value, i) =>
      config.normalize ? normalized(value, at[i] ?? 1, { graph, origin }) : value,
    );
    const [a = x, b = y] = ready;
    const product = batchDot([a, b], at, graph);
    if (product.shape.length > 1) return kerasTensor(product);
    return kerasTensor(graph.add('Unsqueeze', [product, integers(graph, 'axes', [1])]));
  },
});

/** One number for both, or one each; Keras 0 puts each into a list of its own. */
function readAxes(config: ConfigReader): readonly number[] {
  const value = config.raw('axes');
  const parts: readonly unknown[] = Array.isArray(value) ? value.flat() : [];
  return parts.length > 0 && parts.every((part): part is number => Number.isInteger(part))
    ? parts
    : readIntegers(config, 'axes', [-1]);
}

function pairOf(
  values: readonly Value[],
  { where }: { readonly where: Where },
): readonly [Value, Value] {
  const [x, y, ...more] = values;
  if (x && y && more.length === 0) return [x, y];
  throw unsupported(
    `A product of ${values.length} tensors has no meaning in Keras`,
    where,
    'Give the layer two inputs.',
  );
}

/** Both axes, counted from 0; one number stands for both. */
function axesOf(
  axes: readonly number[],
  values: readonly [Value, Value],
): readonly [number, number] {
  const [first = -1, second = first] = axes;
  const [x, y] = values;
  return [
    first < 0 ? first + x.shape.length : first,
    second < 0 ? second + y.shape.length : second,
  ];
}

/** Divided by its length along an axis; Theano's backend bounded the length at another place. */
function normalized(
  x: Value,
  axis: number,
  { graph, origin }: Pick<Bench, 'graph' | 'origin'>,
): Value {
  const smallest = origin.kernels === 'theano' ? Math.sqrt(1e-7) : 1e-6;
  const length = graph.add('ReduceL2', [x], { axes: [axis], keepdims: 1 });
  return graph.add('Div', [x, graph.add('Max', [length, graph.floats('smallest', [smallest])])]);
}

/** x without its axis, then y without its batch and its axis, as one Einsum, or MatMul where the axes allow it. */
function batchDot(
  [x, y]: readonly [Value, Value],
  [a, b]: readonly [number, number],
  graph: Bench['graph'],
): Value {
  const isMatrix = x.shape.length === 3 && y.shape.length === 3;
  if (isMatrix && a === 2 && b === 1) return graph.add('MatMul', [x, y]);
  const letters = 'bcdefghijklmnopq';
  const left = x.shape.map((_, axis) => (axis === 0 ? 'a' : axis === a ? 'z' : letters[axis]));
  const right = y.shape.map((_, axis) =>
    axis === 0 ? 'a' : axis === b ? 'z' : letters[axis + x.shape.length],
  );
  const result = [...left, ...right.slice(1)].filter((letter) => letter !== 'z');
  return graph.add('Einsum', [x, y], {
    equation: `${left.join('')},${right.join('')}->${result.join('')}`,
  });
}

/**
 * Keras 0 and 1's Merge in modes that no layer of today has: "cos", the cosine of two tensors, and "join", which is
 * the list of them. Functions as modes are Python code.
 *
 * Source: keras/engine/topology.py of 1.2.2, keras/layers/core.py of 0.3.3.
 */
export const merge: Layer = defineLayer({
  keras: ['Merge'],
  inputs: 'many',
  read(config: ConfigReader, _, where): Config {
    if (config.raw('mode') === 'cos') {
      return { axes: readAxes(config), normalize: true };
    }
    throw unsupported(
      'A Merge layer whose mode is Python code cannot be converted',
      where,
      'Rebuild the model with a mode by name: sum, mul, concat, ave, dot, cos or max.',
    );
  },
  weights: () => ({}),
  emit({ config, inputs, ...bench }) {
    const { graph, layouts, origin } = bench;
    const [x, y] = pairOf(
      inputs.map((tensor) => layouts.keras(tensor).value),
      bench,
    );
    const at = axesOf(config.axes, [x, y]);
    const product = batchDot([x, y], at, graph);
    const lengths = [x, y].map((value, i) =>
      batchDot([value, value], [at[i] ?? 1, at[i] ?? 1], graph),
    );
    const [p = product, q = product] = lengths;
    const root = graph.add('Sqrt', [graph.add('Mul', [p, q])]);
    const isOld = origin.generation === 'Keras 0';
    const length = isOld ? root : graph.add('Max', [root, graph.floats('smallest', [1e-7])]);
    const cosine = graph.add('Div', [product, length]);
    return kerasTensor(graph.add('Unsqueeze', [cosine, cosineAxes(cosine, isOld, graph)]));
  },
});

/** Keras 1 gives vectors' cosine one axis more than it says: [N, 1, 1]. */
function cosineAxes(cosine: Value, isOld: boolean, graph: Bench['graph']): Value {
  const axes = isOld || cosine.shape.length > 1 ? [1] : [1, 2];
  return integers(graph, 'axes', axes);
}

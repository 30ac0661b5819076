import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/onnx/graph.ts';
import type { Value } from '../../../src/tensor.ts';
import { elementwise } from '../../../src/train/fused/elementwise.ts';
import { FunctionMemory } from '../../../src/train/fused/memory.ts';
import { operations } from '../../../src/train/fused/operations.ts';

type Make = (graph: GraphBuilder, x: Value, y: Value) => Value;

/** What a graph makes of the vectors x and y. */
function computed(make: Make, xs: readonly number[], ys: readonly number[]): number[] {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['count']);
  const y = graph.input('y', 'float32', ['count']);
  const { loop, scalars } = elementwise(graph, { vectors: [x, y], results: [make(graph, x, y)] });
  const memory = new FunctionMemory(4096);
  const [a, b] = [xs, ys].map((numbers) => {
    const own = memory.floats(numbers.length);
    own.set(numbers);
    return own;
  });
  if (!a || !b) throw new Error('there are two vectors');
  const bytes = 16 * Math.ceil(xs.length / 4);
  memory.function(loop)(a.byteOffset, b.byteOffset, bytes, ...scalars(new Map()));
  return [...a];
}

const xs = [1, -4, 9, 0.25, 16];
const ys = [2, -2, 3, 0.5, -8];

/** Each operator on the vectors above, worked out in the head. */
const cases: Readonly<Record<string, { readonly make: Make; readonly expected: number[] }>> = {
  Abs: { make: (graph, x) => graph.add('Abs', [x]), expected: [1, 4, 9, 0.25, 16] },
  Add: { make: (graph, x, y) => graph.add('Add', [x, y]), expected: [3, -6, 12, 0.75, 8] },
  Clip: {
    make: (graph, x) =>
      graph.add('Clip', [x, graph.floats('low', [-1]), graph.floats('high', [4])]),
    expected: [1, -1, 4, 0.25, 4],
  },
  Div: { make: (graph, x, y) => graph.add('Div', [x, y]), expected: [0.5, 2, 3, 0.5, -2] },
  Greater: {
    make: (graph, x, y) => graph.add('Where', [graph.add('Greater', [x, y]), x, y]),
    expected: [2, -2, 9, 0.5, 16],
  },
  Less: {
    make: (graph, x, y) => graph.add('Where', [graph.add('Less', [x, y]), x, y]),
    expected: [1, -4, 3, 0.25, -8],
  },
  Max: { make: (graph, x, y) => graph.add('Max', [x, y]), expected: [2, -2, 9, 0.5, 16] },
  Mul: { make: (graph, x, y) => graph.add('Mul', [x, y]), expected: [2, 8, 27, 0.125, -128] },
  // 2³ is worked out once, outside the loop.
  Pow: {
    make: (graph, x) =>
      graph.add('Mul', [
        x,
        graph.add('Pow', [graph.floats('two', [2]), graph.floats('three', [3])]),
      ]),
    expected: [8, -32, 72, 2, 128],
  },
  Sqrt: {
    make: (graph, x) => graph.add('Sqrt', [graph.add('Abs', [x])]),
    expected: [1, 2, 3, 0.5, 4],
  },
  Sub: { make: (graph, x, y) => graph.add('Sub', [x, y]), expected: [-1, -2, 6, -0.25, 24] },
  Where: {
    make: (graph, x, y) =>
      graph.add('Where', [graph.add('Greater', [x, graph.floats('zero', [0])]), y, x]),
    expected: [2, -4, 3, 0.5, -8],
  },
};

const exponential: Make = (graph, x) => graph.add('Exp', [x]);

const third: Make = (graph, x) =>
  graph.add('Mul', [x, graph.add('Div', [graph.floats('one', [1]), graph.floats('three', [3])])]);

describe('a loop made of element-wise nodes', () => {
  it('is tested for each operator that it knows', () => {
    expect(Object.keys(cases)).toEqual(Object.keys(operations));
  });

  it.each(Object.entries(cases))('computes %s', (_, { make, expected }) => {
    expect(computed(make, xs, ys)).toEqual(expected);
  });

  it('works out what has no vectors in float32, as the graph would', () => {
    expect(computed(third, [1, 1, 1, 1], ys)[0]).toBe(Math.fround(1 / 3));
  });

  it('says which operator it cannot do', () => {
    expect(() => computed(exponential, xs, ys)).toThrow('an update cannot use Exp');
  });
});

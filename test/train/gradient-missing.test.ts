import { expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { floatSource } from '../../src/source.ts';
import { backward } from '../../src/train/backward.ts';

it('operators without a gradient are refused, all of them at once and with the way from the loss', () => {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', [1, 1, 4, 4]);
  const w = graph.initializer('w', floatSource([1, 1, 1, 4], new Float32Array(4)));
  const added = graph.within('added', () =>
    graph.add('ScatterElements', [x, graph.integers('places', [0, 0, 0, 0], [1, 1, 1, 4]), w], {
      axis: 2,
      reduction: 'add',
    }),
  );
  const loss = graph.add('ReduceMax', [added], { axes: [0, 1, 2, 3], keepdims: 0 });
  const seed = graph.floats('seed', [1]);

  const attempt = () => backward(graph, { loss, seed, targets: [w] });
  expect(attempt).toThrow(expect.objectContaining({ code: 'GRADIENT_MISSING' }));
  expect(attempt).toThrow('ScatterElements (loss ← ReduceMax ← added/ScatterElements)');
});

it('a form of an operator without a gradient is refused by name', () => {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['n', 4]);
  const first = graph.add('Gather', [x, graph.integers('row', [0], [])], { axis: 0 });
  const attempt = () => backward(graph, { loss: first, seed: first, targets: [x] });
  expect(attempt).toThrow(
    'No gradient is known for Gather along axis 0, whose size is only known at run time',
  );
});

import { expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { floatSource } from '../../src/source.ts';
import { backward } from '../../src/train/backward.ts';

it('operators without a gradient are refused, all of them at once and with the way from the loss', () => {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', [1, 1, 4, 4]);
  const w = graph.initializer('w', floatSource([1, 1, 4, 4], new Float32Array(16)));
  const product = graph.within('product', () =>
    graph.add('ReduceProd', [graph.add('Mul', [x, w])], { axes: [3], keepdims: 1 }),
  );
  const loss = graph.add('ReduceMax', [product], { axes: [0, 1, 2, 3], keepdims: 0 });
  const seed = graph.floats('seed', [1]);

  const attempt = () => backward(graph, { loss, seed, targets: [w] });
  expect(attempt).toThrow(expect.objectContaining({ code: 'GRADIENT_MISSING' }));
  expect(attempt).toThrow('ReduceProd (loss ← ReduceMax ← product/ReduceProd)');
});

it('a form of an operator without a gradient is refused by name', () => {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', [1, 1, 4, 4]);
  const larger = graph.add('Resize', [x, undefined, graph.floats('scales', [1, 1, 2, 2], [4])], {
    mode: 'cubic',
    coordinate_transformation_mode: 'half_pixel',
  });
  const attempt = () => backward(graph, { loss: larger, seed: larger, targets: [x] });
  expect(attempt).toThrow('No gradient is known for Resize of mode cubic');
});

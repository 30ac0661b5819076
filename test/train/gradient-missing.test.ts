import { expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { floatSource } from '../../src/source.ts';
import { backward } from '../../src/train/backward.ts';

const window = { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] };

it('operators without a gradient are refused, all of them at once and with their nodes', () => {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', [1, 1, 4, 4]);
  const w = graph.initializer('w', floatSource([1, 1, 4, 4], new Float32Array(16)));
  const pooled = graph.within('pool', () =>
    graph.add('AveragePool', [graph.add('Mul', [x, w])], { ...window, count_include_pad: 0 }),
  );
  const scales = graph.floats('scales', [1, 1, 2, 2], [4]);
  const empty = graph.floats('roi', [], [0]);
  const larger = graph.add('Resize', [pooled, empty, scales], {
    mode: 'linear',
    coordinate_transformation_mode: 'half_pixel',
  });
  const loss = graph.add('ReduceMax', [larger], { axes: [0, 1, 2, 3], keepdims: 0 });
  const seed = graph.floats('seed', [1]);

  const attempt = () => backward(graph, { loss, seed, targets: [w] });
  expect(attempt).toThrow(expect.objectContaining({ code: 'GRADIENT_MISSING' }));
  expect(attempt).toThrow(/AveragePool \(node "pool\/AveragePool"\), Resize \(/);
});

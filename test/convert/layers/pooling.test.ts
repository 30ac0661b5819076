import { describe, expect, it } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { expectClose } from '../../tolerance.ts';
import { madeModel } from '../made-model.ts';
import { runGraph } from '../run-graph.ts';

/** Pools along the first of three axes, with padding "same". */
function pooled(size: number, [kernel, stride]: readonly [number, number]) {
  const config = { pool_size: [kernel, 1, 1], strides: [stride, 1, 1], padding: 'same' };
  const layers = [{ name: 'y', is: 'MaxPooling3D', config }];
  const input = [size, 1, 1, 1];
  return convertModel(madeModel({ input, layers, generation: 'tf.keras' }));
}

describe('MaxPooling3D with windows shorter than their stride', () => {
  it('starts at the first element, and says that TensorFlow has two ways', async () => {
    const { graph, warnings } = pooled(9, [1, 3]);
    const x = { shape: [1, 9, 1, 1, 1], data: Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8) };
    // TensorFlow 2.15 and 2.21 with oneDNN; without it they give 1, 4, 7.
    expectClose((await runGraph(graph, [x])).get('y')?.data ?? [], [0, 3, 6]);
    expect(warnings).toEqual([expect.stringMatching(/^Layer "y": .*oneDNN/)]);
  });

  it.each([
    [9, [1, 2]],
    [10, [1, 3]],
    [6, [2, 4]],
  ] as const)('says nothing where both are the same: %j, %j', (size, window) => {
    expect(pooled(size, window).warnings).toEqual([]);
  });
});

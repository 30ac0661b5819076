import { describe, expect, it } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { expectClose } from '../../tolerance.ts';
import { counting, madeModel } from '../made-model.ts';
import { runGraph } from '../run-graph.ts';

async function pooled(is: string, input: readonly number[], size: readonly number[]) {
  const layers = [{ name: 'y', is, config: { output_size: size, data_format: 'channels_last' } }];
  const { graph } = convertModel(madeModel({ input, layers }));
  const shape = [1, ...input];
  const data = Float32Array.from(counting(shape));
  const result = (await runGraph(graph, [{ shape, data }])).get('y');
  return {
    shape: result?.shape,
    data: [...(result?.data ?? [])],
    ops: graph.nodes.map(({ op }) => op),
  };
}

describe('adaptive pooling', () => {
  // Place i takes from floor(i · 5 / 3) to ceil((i + 1) · 5 / 3): 1 2, 2 3 4, 4 5.
  it.each([
    ['AdaptiveAveragePooling1D', [1.5, 3, 4.5]],
    ['AdaptiveMaxPooling1D', [2, 4, 5]],
  ])('%s of windows that overlap', async (is, expected) => {
    expectClose((await pooled(is, [5, 1], [3])).data, expected);
  });

  it.each([
    ['AdaptiveAveragePooling1D', [1.5, 3.5], 'AveragePool'],
    ['AdaptiveMaxPooling1D', [2, 4], 'MaxPool'],
  ])('%s is one node where all windows are alike', async (is, expected, op) => {
    const { data, ops } = await pooled(is, [4, 1], [2]);
    expectClose(data, expected);
    expect(ops).toContain(op);
  });

  // A cube of 3 x 2 x 2 that counts from 1, to 2 x 1 x 1: its first two slices, its last two.
  it.each([
    ['AdaptiveAveragePooling3D', [4.5, 8.5]],
    ['AdaptiveMaxPooling3D', [8, 12]],
  ])('%s', async (is, expected) => {
    const { shape, data } = await pooled(is, [3, 2, 2, 1], [2, 1, 1]);
    expect(shape).toEqual([1, 2, 1, 1, 1]);
    expectClose(data, expected);
  });
});

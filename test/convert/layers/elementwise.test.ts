import { describe, expect, it } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { expectClose } from '../../tolerance.ts';
import { type MadeLayer, madeModel } from '../made-model.ts';
import { runGraph } from '../run-graph.ts';

const x = { shape: [1, 4], data: Float32Array.of(-2, -0.5, 1, 8) };

async function applied(...layers: readonly MadeLayer[]): Promise<ArrayLike<number>> {
  const { graph } = convertModel(madeModel({ input: [4], layers }));
  const results = await runGraph(graph, [x]);
  return results.get(layers.at(-1)?.name ?? '')?.data ?? [];
}

describe('ReLU', () => {
  it.each([
    [{}, [0, 0, 1, 8]],
    [{ max_value: 6 }, [0, 0, 1, 6]],
    [{ negative_slope: 0.5 }, [-1, -0.25, 1, 8]],
    // What is on the threshold is below it.
    [{ threshold: 1 }, [0, 0, 0, 8]],
    // slope · (x - threshold) below the threshold: 0.5 · (-2 - 1) = -1.5
    [{ threshold: 1, negative_slope: 0.5, max_value: 6 }, [-1.5, -0.75, 0, 6]],
    // Below 0 and above the threshold Keras 2.3.1 and tf.keras 1.15 give x, or 0 where there is a ceiling.
    [{ threshold: -1, negative_slope: 0.5 }, [-0.5, -0.5, 1, 8]],
    [{ threshold: -1, negative_slope: 0.5, max_value: 6 }, [-0.5, 0, 1, 6]],
  ])('of %j', async (config, expected) => {
    expectClose(await applied({ name: 'y', is: 'ReLU', config }), expected);
  });
});

describe('Softmax', () => {
  it('runs over the last axis', async () => {
    const e = [...x.data].map(Math.exp);
    const sum = e.reduce((a, b) => a + b, 0);
    expectClose(
      await applied({ name: 'y', is: 'Softmax' }),
      e.map((n) => n / sum),
    );
  });

  it('over several axes makes all of them sum to 1', async () => {
    const layers = [{ name: 'y', is: 'Softmax', config: { axis: [1, 2] } }];
    const { graph } = convertModel(madeModel({ input: [2, 2], layers }));
    const numbers = { shape: [1, 2, 2], data: Float32Array.of(0, 1, 2, 3) };
    const result = (await runGraph(graph, [numbers])).get('y');
    const e = [0, 1, 2, 3].map(Math.exp);
    const sum = e.reduce((a, b) => a + b, 0);
    expectClose(
      result?.data ?? [],
      e.map((n) => n / sum),
    );
  });
});

describe('layers of training', () => {
  it.each(['AlphaDropout', 'SpatialDropout1D', 'SpatialDropout3D'])(
    '%s passes x on',
    async (is) => {
      expectClose(await applied({ name: 'y', is, config: { rate: 0.5 } }), x.data);
    },
  );
});

describe('layers that join', () => {
  const half: MadeLayer = { name: 'half', is: 'ReLU', config: { negative_slope: 0.5 } };

  it.each([
    ['Subtract', [-1, -0.25, 0, 0]],
    ['Minimum', [-2, -0.5, 1, 8]],
  ])('%s of x and its rectified self', async (is, expected) => {
    expectClose(await applied(half, { name: 'y', is, from: ['in', 'half'] }), expected);
  });

  it('give inputs of a lower rank axes behind the batch, as Keras does', async () => {
    const repeated: MadeLayer = { name: 'twice', is: 'RepeatVector', config: { n: 2 } };
    const sum = await applied(repeated, { name: 'y', is: 'Add', from: ['in', 'twice'] });
    expectClose(sum, [-4, -1, 2, 16, -4, -1, 2, 16]);
  });
});

describe('TimeDistributedMerge', () => {
  it.each([
    ['sum', [4, 6]],
    ['ave', [2, 3]],
    ['mul', [3, 8]],
  ])('%s of all steps', async (mode, expected) => {
    const layers = [{ name: 'y', is: 'TimeDistributedMerge', config: { mode } }];
    const { graph } = convertModel(madeModel({ input: [2, 2], layers, generation: 'Keras 0' }));
    const sequence = { shape: [1, 2, 2], data: Float32Array.of(1, 2, 3, 4) };
    expectClose((await runGraph(graph, [sequence])).get('y')?.data ?? [], expected);
  });
});

describe('a layer that is called twice', () => {
  it('has its weights once', () => {
    const model = madeModel({
      input: [4],
      layers: [
        {
          name: 'square',
          is: 'Dense',
          config: { units: 4, use_bias: false },
          weights: [[[4, 4], Array.from({ length: 16 }, (_, i) => i)]],
        },
      ],
    });
    const [input, dense] = model.graph.layers;
    if (!input || !dense) throw new Error('Two layers were made');
    const again = { inputs: [{ layer: 'square', node: 0, tensor: 0 }], kwargs: {} };
    const layers = [input, { ...dense, calls: [...dense.calls, again] }];
    const outputs = [{ layer: 'square', node: 1, tensor: 0 }];
    const { graph, parameters } = convertModel({
      ...model,
      graph: { ...model.graph, layers, outputs },
    });
    expect([...graph.initializers.keys()]).toEqual(['square/kernel']);
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Gemm', 'Gemm']);
    expect(parameters).toBe(16);
  });
});

import { describe, expect, it } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import { expectClose } from '../tolerance.ts';
import { counting, type MadeLayer, madeModel } from './made-model.ts';
import { runGraph } from './run-graph.ts';

const identityKernel: MadeLayer = {
  name: 'conv',
  is: 'Conv2D',
  config: { filters: 2, kernel_size: [1, 1], use_bias: false, data_format: 'channels_last' },
  weights: [
    [
      [1, 1, 2, 2],
      [1, 0, 0, 1],
    ],
  ],
};

const pad: MadeLayer = {
  name: 'pad',
  is: 'ZeroPadding2D',
  config: {
    padding: [
      [1, 0],
      [0, 1],
    ],
    data_format: 'channels_last',
  },
};

/** Answers with element `at` of its flat input of 12. */
function pick(at: number): MadeLayer {
  return {
    name: 'dense',
    is: 'Dense',
    config: { units: 1, use_bias: false },
    weights: [[[12, 1], counting([12]).map((n) => (n === at ? 1 : 0))]],
  };
}

const maps = { shape: [1, 3, 2, 2], data: Float32Array.from(counting([12])) };

function ops(model: Parameters<typeof madeModel>[0]): readonly string[] {
  return convertModel(madeModel(model)).graph.nodes.map(({ op }) => op);
}

describe('channels_last models', () => {
  it('transpose once, at the input, and permute the rows of Dense after Flatten', async () => {
    const model = {
      input: [3, 2, 2],
      layers: [
        identityKernel,
        { name: 'flat', is: 'Flatten' },
        { name: 'drop', is: 'Dropout' },
        pick(3),
      ],
    };
    expect(ops(model)).toEqual(['Transpose', 'Conv', 'Flatten', 'Gemm']);
    const { graph } = convertModel(madeModel(model));
    const results = await runGraph(graph, [maps]);
    // Keras lets the flat axis run over height, width, channels: element 3 of 1, 2, 3 … is 3.
    expect(results.get('dense')?.data).toEqual(Float32Array.of(3));
  });

  it("put out maps in Keras' own layout", async () => {
    const { graph } = convertModel(madeModel({ input: [3, 2, 2], layers: [identityKernel] }));
    expect(graph.outputs[0]).toMatchObject({ name: 'conv', shape: ['N', 3, 2, 2] });
    expect((await runGraph(graph, [maps])).get('conv')).toEqual(maps);
  });

  it('take channels first images where they are asked to, without any Transpose', async () => {
    const model = madeModel({
      input: [3, 2, 2],
      layers: [identityKernel, { name: 'flat', is: 'Flatten' }, pick(3)],
    });
    const { graph } = convertModel(model, { inputLayout: 'nchw' });
    expect(graph.inputs[0]?.shape).toEqual(['N', 2, 3, 2]);
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Conv', 'Flatten', 'Gemm']);
    const moved = {
      shape: [1, 2, 3, 2],
      data: Float32Array.of(1, 3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 12),
    };
    expect((await runGraph(graph, [moved])).get('dense')?.data).toEqual(Float32Array.of(3));
  });

  it("move flattened maps into Keras' order where they are an output", async () => {
    const layers = [identityKernel, { name: 'flat', is: 'Flatten' }];
    const { graph } = convertModel(madeModel({ input: [3, 2, 2], layers }));
    expect((await runGraph(graph, [maps])).get('flat')).toEqual({
      shape: [1, 12],
      data: maps.data,
    });
  });

  it('normalise flattened maps by permuted statistics', async () => {
    const zeros = counting([12]).map(() => 0);
    const ones = counting([12]).map(() => 1);
    const normalise: MadeLayer = {
      name: 'bn',
      is: 'BatchNormalization',
      config: { epsilon: 0 },
      weights: [
        [[12], counting([12])],
        [[12], zeros],
        [[12], zeros],
        [[12], ones],
      ],
    };
    const layers = [identityKernel, { name: 'flat', is: 'Flatten' }, normalise, pick(3)];
    const { graph } = convertModel(madeModel({ input: [3, 2, 2], layers }));
    expect((await runGraph(graph, [maps])).get('dense')?.data).toEqual(Float32Array.of(9));
  });
});

describe('channels_first models', () => {
  const conv: MadeLayer = {
    ...identityKernel,
    config: { ...identityKernel.config, data_format: 'channels_first' },
  };
  const first = { shape: [1, 2, 3, 2], data: Float32Array.from(counting([12])) };

  it('have no Transpose, and Flatten runs over the maps as they lie', async () => {
    const layers = [conv, { name: 'flat', is: 'Flatten' }, pick(3)];
    const { graph } = convertModel(madeModel({ input: [2, 3, 2], layers }));
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Conv', 'Flatten', 'Gemm']);
    expect((await runGraph(graph, [first])).get('dense')?.data).toEqual(Float32Array.of(3));
  });

  it('flatten channels last where Flatten names a data_format, still without a Transpose', async () => {
    const flat = { name: 'flat', is: 'Flatten', config: { data_format: 'channels_first' } };
    const { graph } = convertModel(madeModel({ input: [2, 3, 2], layers: [conv, flat, pick(3)] }));
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Conv', 'Flatten', 'Gemm']);
    // [C, H, W] = [[1 … 6], [7 … 12]] read channels last: 1, 7, 2, 8 …
    expect((await runGraph(graph, [first])).get('dense')?.data).toEqual(Float32Array.of(2));
  });

  it('take channels last images where they are asked to, by one Transpose', () => {
    const model = madeModel({ input: [2, 3, 2], layers: [conv] });
    const { graph } = convertModel(model, { inputLayout: 'nhwc' });
    expect(graph.inputs[0]?.shape).toEqual(['N', 3, 2, 2]);
    expect(graph.outputs[0]?.shape).toEqual(['N', 2, 3, 2]);
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Transpose', 'Conv']);
  });
});

describe('zero padding', () => {
  it('becomes the pads of a valid convolution', () => {
    const { graph, card } = convertModel(
      madeModel({ input: [3, 2, 2], layers: [pad, identityKernel] }),
    );
    const conv = graph.nodes.find(({ op }) => op === 'Conv');
    expect(conv?.attributes).toMatchObject({ pads: [1, 0, 0, 1] });
    expect(card.layers?.find(({ name }) => name === 'pad')).toMatchObject({
      output: null,
      shape: [null, 4, 3, 2],
    });
  });

  it('is a node of its own before pooling, whose pads are not zeros', async () => {
    const pool = { name: 'pool', is: 'MaxPooling2D', config: { pool_size: [4, 3] } };
    const { graph, card } = convertModel(madeModel({ input: [3, 2, 2], layers: [pad, pool] }));
    // Of one place, so that nothing has to move at the end.
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Transpose', 'Pad', 'MaxPool', 'Reshape']);
    expect(card.layers?.find(({ name }) => name === 'pad')?.output).toBe('pad');
    const negative = { shape: maps.shape, data: maps.data.map((x) => -x) };
    expectClose((await runGraph(graph, [negative])).get('pool')?.data ?? [], [0, 0]);
  });

  it('counts in the mean of average pooling', async () => {
    const pool = { name: 'pool', is: 'AveragePooling2D', config: { pool_size: [4, 3] } };
    const { graph } = convertModel(madeModel({ input: [3, 2, 2], layers: [pad, pool] }));
    // 1 + 3 + 5 + 7 + 9 + 11 = 36 and 2 + 4 + 6 + 8 + 10 + 12 = 42, over 12 places.
    expectClose((await runGraph(graph, [maps])).get('pool')?.data ?? [], [3, 3.5]);
  });

  it('is a node of its own where it is asked for, and in the convolution all the same', () => {
    const model = madeModel({ input: [3, 2, 2], layers: [pad, identityKernel] });
    const { graph } = convertModel(model, { features: ['pad'] });
    expect(graph.outputs.map(({ name }) => name)).toEqual(['conv', 'pad']);
    expect(graph.outputs[1]?.shape).toEqual(['N', 4, 3, 2]);
  });
});

describe('outputs', () => {
  it('are copies where a layer adds no node', () => {
    const layers = [{ name: 'drop', is: 'Dropout', config: { rate: 0.5 } }];
    const { graph, card } = convertModel(madeModel({ input: [4], layers }));
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Identity']);
    expect(graph.outputs.map(({ name }) => name)).toEqual(['drop']);
    expect(card.layers?.at(-1)).toEqual({
      name: 'drop',
      class: 'Dropout',
      output: 'drop',
      shape: [null, 4],
      parameters: [],
      rate: 0.5,
    });
  });

  it('are two values where one layer is put out twice', () => {
    const layers = [{ name: 'act', is: 'Activation', config: { activation: 'relu' } }];
    const { graph } = convertModel(madeModel({ input: [4], layers, outputs: ['act', 'act'] }));
    expect(graph.outputs.map(({ name }) => name)).toEqual(['act', 'act_1']);
  });

  it('are named after an unknown layer only to say which was meant', () => {
    const layers = [{ name: 'act', is: 'Activation', config: { activation: 'relu' } }];
    const model = madeModel({ input: [4], layers });
    expect(() => convertModel(model, { features: ['akt'] })).toThrow(/Did you mean "act"/);
  });
});

import { describe, expect, it } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { InputPlace } from '../../../src/keras/model.ts';
import { expectClose } from '../../tolerance.ts';
import { type MadeLayer, madeModel } from '../made-model.ts';
import { runGraph } from '../run-graph.ts';
import { binary, type Call, erf, others, row, sigmoid, unary } from './operation-cases.ts';

const x = new InputPlace(0);

/** The class that Keras 3 gives an operation: its name in camel case. */
function classOf(name: string): string {
  const words = name.split('_').map((word) => word.slice(0, 1).toUpperCase() + word.slice(1));
  const own: Readonly<Record<string, string>> = { identity: 'Copy', l2_normalize: 'Normalize' };
  return `ops.${own[name] ?? words.join('')}`;
}

/** What an operation gives for numbers of a shape (without the batch of 1). */
async function outputOf(
  name: string,
  { args = [x], kwargs = {}, config = {} }: Call,
  numbers: readonly number[] = row,
  shape: readonly number[] = [numbers.length],
): Promise<{ readonly shape: readonly number[]; readonly data: readonly number[] }> {
  const layer: MadeLayer = { name: 'y', is: classOf(name), config, args, kwargs };
  const model = madeModel({ input: shape, layers: [layer], generation: 'Keras 3' });
  const { graph } = convertModel(model);
  const input = { shape: [1, ...shape], data: Float32Array.from(numbers) };
  const result = (await runGraph(graph, [input])).get(graph.outputs[0]?.name ?? '');
  return { shape: result?.shape ?? [], data: [...(result?.data ?? [])] };
}

describe('operations that are nodes of Keras 3 models', () => {
  it.each(Object.entries(unary))('%s', async (name, { of, numbers = row }) => {
    expectClose((await outputOf(name, {}, numbers)).data, numbers.map(of));
  });

  it.each(Object.entries(binary))('%s, numbers on either side', async (name, of) => {
    const numbers = [0.5, 1, 2, 8];
    const right = await outputOf(name, { args: [x, 2] }, numbers);
    expectClose(
      right.data,
      numbers.map((z) => of(z, 2)),
    );
    const left = await outputOf(name, { args: [2, x] }, numbers);
    expectClose(
      left.data,
      numbers.map((z) => of(2, z)),
    );
    const both = await outputOf(name, { args: [x, x] }, numbers);
    expectClose(
      both.data,
      numbers.map((z) => of(z, z)),
    );
  });

  it.each(Object.entries(others))('%s', async (name, { call, gives, shape }) => {
    const made = await outputOf(name, call, [1, 2, 3, 4, 5, 6], [2, 3]);
    expectClose(made.data, gives);
    expect(made.shape).toEqual(shape);
  });

  it('glu: the first half times the sigmoid of the second', async () => {
    const { data } = await outputOf('glu', {}, [1, 2, 3, 4]);
    expectClose(data, [sigmoid(3), 2 * sigmoid(4)]);
  });

  it('where, with a comparison and logic before it', async () => {
    const layers: readonly MadeLayer[] = [
      { name: 'large', is: 'ops.Greater', args: [x, 0], from: ['in'] },
      { name: 'small', is: 'ops.Less', args: [x, 5], from: ['in'] },
      { name: 'and', is: 'ops.LogicalAnd', args: [x, new InputPlace(1)], from: ['large', 'small'] },
      { name: 'or', is: 'ops.LogicalOr', args: [x, new InputPlace(1)], from: ['large', 'small'] },
      { name: 'xor', is: 'ops.LogicalXor', args: [x, new InputPlace(1)], from: ['and', 'or'] },
      { name: 'not', is: 'ops.LogicalNot', args: [x], from: ['xor'] },
      { name: 'y', is: 'ops.Where', args: [x, new InputPlace(1), -1], from: ['not', 'in'] },
    ];
    const { graph } = convertModel(madeModel({ input: [4], layers, generation: 'Keras 3' }));
    const results = await runGraph(graph, [{ shape: [1, 4], data: Float32Array.from(row) }]);
    // Only 1 is above 0 and below 5 both.
    expectClose(results.get('y')?.data ?? [], [-1, -1, 1, -1]);
  });

  it('space_to_depth and depth_to_space undo each other, blocks first', async () => {
    const deep = await outputOf(
      'space_to_depth',
      { config: { block_size: 2 } },
      [1, 2, 3, 4],
      [2, 2, 1],
    );
    expect(deep).toEqual({ shape: [1, 1, 1, 4], data: [1, 2, 3, 4] });
    const wide = await outputOf(
      'depth_to_space',
      { config: { block_size: 2 } },
      [1, 2, 3, 4],
      [1, 1, 4],
    );
    expect(wide).toEqual({ shape: [1, 2, 2, 1], data: [1, 2, 3, 4] });
  });

  it('take_along_axis: where the numbers are when they are sorted, taken, they are sorted', async () => {
    const layers: readonly MadeLayer[] = [
      { name: 'order', is: 'ops.Argsort', config: { axis: -1 }, args: [x], from: ['in'] },
      {
        name: 'y',
        is: 'ops.TakeAlongAxis',
        config: { axis: 1 },
        args: [x, new InputPlace(1)],
        from: ['in', 'order'],
      },
    ];
    const { graph } = convertModel(madeModel({ input: [4], layers, generation: 'Keras 3' }));
    const results = await runGraph(graph, [
      { shape: [1, 4], data: Float32Array.from([3, -1, 8, 0]) },
    ]);
    expectClose(results.get('y')?.data ?? [], [-1, 0, 3, 8]);
  });

  it('arrays as Keras 3 writes them, and whole numbers beside floats', async () => {
    const array = { class_name: '__numpy__', config: { value: [1, 2, 3, 4], dtype: 'int32' } };
    expectClose((await outputOf('multiply', { args: [x, array] })).data, [-2, -1, 3, 32]);
    const layers: readonly MadeLayer[] = [
      { name: 'whole', is: 'ops.Cast', config: { dtype: 'int32' }, args: [x], from: ['in'] },
      { name: 'half', is: 'ops.Multiply', args: [x, 0.5], from: ['whole'] },
      {
        name: 'y',
        is: 'ops.Add',
        args: [x, new InputPlace(1)],
        from: ['half', 'whole'],
      },
    ];
    const { graph } = convertModel(madeModel({ input: [4], layers, generation: 'Keras 3' }));
    const results = await runGraph(graph, [{ shape: [1, 4], data: Float32Array.from(row) }]);
    expectClose(results.get('y')?.data ?? [], [-3, 0, 1.5, 12]);
  });

  it('cumsum, argmax and argmin without an axis go through all elements', async () => {
    expectClose((await outputOf('cumsum', {}, [1, 2, 3, 4], [2, 2])).data, [1, 3, 6, 10]);
    expectClose((await outputOf('argmax', {}, [1, 2, 9, 4], [2, 2])).data, [2]);
    expectClose((await outputOf('argmin', {}, [1, 2, 9, 0], [2, 2])).data, [3]);
  });

  it('resize, to the nearest', async () => {
    const config = { size: [1, 4], interpolation: 'nearest', data_format: 'channels_last' };
    const { shape, data } = await outputOf('resize', { config }, [1, 2], [1, 2, 1]);
    expect({ shape, data }).toEqual({ shape: [1, 1, 4, 1], data: [1, 1, 2, 2] });
  });

  it('refuses an operation that it does not know, by name', async () => {
    await expect(outputOf('svd', {})).rejects.toMatchObject({ code: 'KERAS_LAYER_UNSUPPORTED' });
  });
});

async function answer(config: Readonly<Record<string, unknown>>, kwargs = {}, is = 'TFOpLambda') {
  const layer: MadeLayer = { name: 'y', is, config, args: [x], kwargs };
  const { graph } = convertModel(
    madeModel({ input: [4], layers: [layer], generation: 'tf.keras' }),
  );
  const results = await runGraph(graph, [{ shape: [1, 4], data: Float32Array.from(row) }]);
  return [...(results.get('y')?.data ?? [])];
}

describe('TensorFlow functions that are nodes of tf.keras models', () => {
  it.each([
    ['math.reduce_mean', { axis: 1, keepdims: true }, [1.625]],
    ['nn.relu6', {}, [0, 0, 1, 6]],
    ['math.subtract', { y: 1, name: null }, [-3, -1.5, 0, 7]],
    ['__operators__.truediv', { y: 2 }, [-1, -0.25, 0.5, 4]],
    ['math.atan2', { x: 1 }, row.map((z) => Math.atan2(z, 1))],
    ['nn.bias_add', { bias: [1, 2, 3, 4], data_format: 'NHWC' }, [-1, 1.5, 4, 12]],
    ['clip_by_value', { clip_value_min: -1, clip_value_max: 1 }, [-1, -0.5, 1, 1]],
    ['concat', { axis: -1 }, row],
    ['reshape', { shape: [-1, 4] }, row],
    // TensorFlow is exact unless told otherwise.
    ['nn.gelu', {}, row.map((z) => (z * (1 + erf(Math.min(z, 4) / Math.SQRT2))) / 2)],
  ])('%s', async (name, kwargs, expected) => {
    expectClose(await answer({ function: name }, kwargs), expected);
  });

  it('kernels with constants among their inputs, of TensorFlow 2.0 to 2.3', async () => {
    const mul = JSON.stringify({ name: 'Mul', op: 'Mul', attr: { T: { type: 'DT_FLOAT' } } });
    const kernel = { node_def: mul, constants: { 0: 2 } };
    expectClose(
      await answer(kernel, {}, 'TensorFlowOpLayer'),
      row.map((z) => 2 * z),
    );
    const mean = { name: 'Mean', op: 'Mean', attr: { keep_dims: { b: true } } };
    const reduced = { node_def: mean, constants: { 1: [1] } };
    expectClose(await answer(reduced, {}, 'TensorFlowOpLayer'), [1.625]);
  });

  it('reshape, to sizes that are computed', async () => {
    const layers: readonly MadeLayer[] = [
      { name: 'sizes', is: 'TFOpLambda', config: { function: 'compat.v1.shape' }, from: ['in'] },
      {
        name: 'batch',
        is: 'SlicingOpLambda',
        config: { function: '__operators__.getitem' },
        args: [x],
        kwargs: { slice_spec: 0 },
        from: ['sizes'],
      },
      {
        name: 'y',
        is: 'TFOpLambda',
        config: { function: 'reshape' },
        args: [x],
        kwargs: { shape: [new InputPlace(1), 2, 2] },
        from: ['in', 'batch'],
      },
    ];
    const { graph } = convertModel(madeModel({ input: [4], layers, generation: 'tf.keras' }));
    const result = (await runGraph(graph, [{ shape: [1, 4], data: Float32Array.from(row) }])).get(
      'y',
    );
    expect(result?.shape).toEqual([1, 2, 2]);
    expectClose(result?.data ?? [], row);
  });

  it('are refused by name where they are not known', async () => {
    await expect(answer({ function: 'linalg.svd' })).rejects.toThrow(/"linalg.svd"/);
  });
});

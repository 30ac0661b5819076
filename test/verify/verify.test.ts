import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { cardMetadata, type LayerRecord } from '../../src/onnx/card.ts';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { verify } from '../../src/verify/verify.ts';
import { temporaryFolder } from '../files.ts';
import { floats, npy, npz } from './numpy.ts';

const layer = (name: string, rest: Partial<LayerRecord> = {}): LayerRecord => ({
  name,
  class: 'Activation',
  output: name,
  shape: [null],
  parameters: [],
  ...rest,
});

/** a → negated → (as layer "half") → doubled: y = -2a, beside z = a + b. All of [N, 2, 2, 3], channels first. */
async function model(folder: string): Promise<string> {
  const graph = new GraphBuilder();
  const shape = ['N', 3, 2, 2];
  const [a, b] = [graph.input('a', 'float32', shape), graph.input('b', 'int32', ['N', 1])];
  const negated = graph.rename(graph.add('Neg', [a]), 'negated');
  graph.output(graph.rename(graph.add('Add', [negated, negated]), 'y'));
  const cast = graph.add('Cast', [b], { to: 'float32' });
  graph.output(graph.rename(graph.add('Add', [cast, cast]), 'z'));
  const layers = [
    layer('negated', { order: 'channels_first', shape: [null, 2, 2, 3] }),
    layer('gone', { output: null }),
    layer('y'),
  ];
  const path = join(folder, 'm.onnx');
  await writeModel(path, graph, { name: 'm', metadata: () => cardMetadata({ layers }) });
  return path;
}

/** 1 to 12 as [1, 3, 2, 2]; channels last, the first pixel is 1, 5, 9. */
const a = floats([1, 3, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
const negatedLast = [-1, -5, -9, -2, -6, -10, -3, -7, -11, -4, -8, -12];
const y = floats([1, 3, 2, 2], [-2, -4, -6, -8, -10, -12, -14, -16, -18, -20, -22, -24]);
const b = npy('<i8', [1, 1], Buffer.from(BigInt64Array.of(7n).buffer));
const z = floats([1, 1], [14]);

let folder = '';
let path = '';

function saved(name: string, bytes: Buffer): string {
  const file = join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

beforeEach(async () => {
  folder = temporaryFolder();
  path = await model(folder);
});

describe('a reference of .npy files', () => {
  it('is taken as inputs and then outputs, in the order of the model', async () => {
    const files = [saved('1', a), saved('2', b), saved('3', y), saved('4', z)];
    const found = await verify(path, files);
    expect(found.isEqual).toBe(true);
    expect(found.outputs.map(({ name, maxAbsolute }) => [name, maxAbsolute])).toEqual([
      ['y', 0],
      ['z', 0],
    ]);
  });

  it('is taken by names in any order, and outputs may be left out', async () => {
    const files = [`z=${saved('4', z)}`, `b=${saved('2', b)}`, `a=${saved('1', a)}`];
    const found = await verify(path, files);
    expect(found.outputs.map(({ name, isEqual }) => [name, isEqual])).toEqual([['z', true]]);
  });

  it.each([
    ['an input that is missing', ['b', 'z']],
    ['nothing to compare with', ['a', 'b']],
    ['a name that the model does not have', ['a', 'b', 'other']],
  ])('is refused with %s', async (_, names) => {
    const files = names.map((name) => `${name}=${saved(name, name === 'b' ? b : a)}`);
    await expect(verify(path, files)).rejects.toMatchObject({ code: 'REFERENCE_INVALID' });
  });

  it('is refused with more arrays than the model has inputs and outputs', async () => {
    const files = [a, b, y, z, z].map((bytes, i) => saved(String(i), bytes));
    await expect(verify(path, files)).rejects.toMatchObject({ code: 'REFERENCE_INVALID' });
  });

  it('is refused when an input has another shape, or fractions for integers', async () => {
    const half = saved('half', floats([1, 1], [0.5]));
    const wrong = verify(path, [`a=${saved('1', a)}`, `b=${half}`, `z=${saved('4', z)}`]);
    await expect(wrong).rejects.toMatchObject({ code: 'REFERENCE_INVALID' });
    const swapped = verify(path, [saved('3', z), saved('2', b), saved('4', y)]);
    await expect(swapped).rejects.toMatchObject({ code: 'REFERENCE_INVALID' });
  });
});

describe('a reference as .npz', () => {
  it('says what its arrays are by their names, and layers are compared in Keras’ layout', async () => {
    const negated = floats([1, 2, 2, 3], negatedLast);
    const file = saved('r.npz', npz({ input_0: a, b, negated, expected: y, z, gone: z }));
    const found = await verify(path, [file], { layers: true });
    expect(found.isEqual).toBe(true);
    expect(found.layers.map(({ name }) => name)).toEqual(['negated']);
    expect(found.notCompared).toEqual(['gone']);
  });

  it('shows the first layer that differs', async () => {
    const negated = floats([1, 2, 2, 3], negatedLast.with(11, -13));
    const file = saved('r.npz', npz({ input: a, b, negated, y }));
    const found = await verify(path, [file], { layers: true });
    expect(found).toMatchObject({ isEqual: false, firstDivergence: 'negated' });
    expect(found.layers[0]?.worst).toEqual({ index: [0, 1, 1, 2], actual: -12, expected: -13 });
    expect((await verify(path, [file])).notCompared).toEqual(['negated']);
    expect((await verify(path, [file], { layers: true, atol: 2 })).isEqual).toBe(true);
  });

  it('without layers is refused when they are asked for', async () => {
    const file = saved('r.npz', npz({ a, b, y }));
    await expect(verify(path, [file], { layers: true })).rejects.toMatchObject({
      code: 'REFERENCE_INVALID',
    });
  });

  it('that is damaged is refused', async () => {
    const bytes = npz({ a, b, y });
    bytes.writeUInt8(bytes.readUInt8(60) ^ 0xff, 60);
    const broken = verify(path, [saved('r.npz', bytes)]);
    await expect(broken).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });

  it('is compared with the flattened layer that runs over channels first', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', ['N', 4]);
    graph.rename(graph.add('Neg', [x]), 'flat');
    const flat = graph.nodes.at(-1)?.outputs[0] ?? x;
    graph.output(graph.rename(graph.add('Neg', [flat]), 'out'));
    const layers = [layer('flat', { order: [1, 2, 2] })];
    const model2 = join(folder, 'flat.onnx');
    await writeModel(model2, graph, { name: 'm', metadata: () => cardMetadata({ layers }) });
    // In the graph: both pixels of channel 0, then of channel 1. In Keras: pixel by pixel.
    const arrays = { x: floats([1, 4], [1, 2, 3, 4]), flat: floats([1, 4], [-1, -3, -2, -4]) };
    const found = await verify(model2, [saved('r.npz', npz(arrays))], { layers: true });
    expect(found.isEqual).toBe(true);
  });
});

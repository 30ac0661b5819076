import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel, writeModel } from '../../src/onnx/write.ts';
import { openSession, type Tensor } from '../../src/runtime/session.ts';
import { floatSource } from '../../src/source.ts';
import { RandomState } from '../../src/train/random.ts';
import { replay } from '../../src/train/replay.ts';
import { temporaryFolder } from '../files.ts';
import { expectClose } from '../tolerance.ts';
import { digitsModel } from './base.ts';

async function answer(
  model: Uint8Array | { readonly path: string },
  feeds: Record<string, Tensor>,
): Promise<Tensor['data']> {
  const session = await openSession(model);
  try {
    const [output] = Object.values(await session.run(feeds));
    return output?.data ?? new Float32Array(0);
  } finally {
    await session.close();
  }
}

function picture(name: string, shape: readonly number[]): Record<string, Tensor> {
  const size = shape.reduce((product, dim) => product * dim, 1);
  const data = new RandomState(3).uniform(0, 255, size);
  return { [name]: { dtype: 'float32', shape, data } };
}

describe('replay', () => {
  it('rebuilds a whole model that answers as the file does', async () => {
    const path = await digitsModel();
    const { graph, end } = replay(readModel(path));
    graph.output(end);
    const [input] = graph.inputs;
    const feeds = picture(input?.name ?? '', [2, ...(input?.shape.slice(1) ?? []).map(Number)]);
    const expected = await answer({ path }, feeds);
    const found = await answer(encodeModel(graph, { name: 'replayed' }), feeds);
    expectClose(Float32Array.from(found, Number), Float32Array.from(expected, Number));
  });

  it('begins at an inner value and keeps the names of values and weights', async () => {
    const model = readModel(await digitsModel());
    const pool = model.nodes.findLast(({ op }) => op === 'MaxPool')?.outputs[0] ?? '';
    const { graph, values } = replay(model, { from: [pool] });
    expect(graph.inputs.map(({ name }) => name)).toEqual([pool]);
    expect(graph.inputs[0]?.shape[0]).toBe('n');
    const after = model.nodes.slice(
      model.nodes.findIndex(({ outputs }) => outputs[0] === pool) + 1,
    );
    for (const { outputs } of after) expect(values.has(outputs[0] ?? '')).toBe(true);
    for (const name of graph.initializers.keys()) expect(model.initializers.has(name)).toBe(true);
    expect(graph.nodes.map(({ name }) => name)).toEqual(after.map(({ name }) => name));
  });

  it('refuses operators that it does not know, all at once and with the way from the end', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', ['N', 2]);
    const trips = graph.integers('trips', [2], []);
    const [first] = graph.loop(trips, [x], (body, _, [value]) => [body.add('Relu', [value ?? x])]);
    const last = graph.within('dense', () =>
      graph.add('MatMul', [first ?? x, graph.initializer('w', floatSource([2, 2], [1, 2, 3, 4]))]),
    );
    graph.output(last);
    const path = join(temporaryFolder(), 'loop.onnx');
    await writeModel(path, graph, { name: 'loop' });
    expect(() => replay(readModel(path))).toThrow(
      expect.objectContaining({ code: 'GRADIENT_MISSING' }),
    );
    expect(() => replay(readModel(path))).toThrow('Loop (dense/MatMul ← Loop)');
  });

  it.each([
    ['SAME_UPPER', [0, 1, 1, 1]],
    ['SAME_LOWER', [1, 1, 0, 1]],
  ] as const)('works out the pads that a file leaves to the runtime: %s', async (auto, pads) => {
    // Of 6 rows three windows of 3, two apart, reach over one row; of 5 columns three reach over two.
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', ['N', 1, 6, 5]);
    const w = graph.initializer('w', floatSource([1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]));
    const window = { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, 0, 0] };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- other exporters write the second too
    const auto_pad = auto as 'SAME_UPPER';
    const maps = graph.add('Conv', [x, w], { ...window, auto_pad, dilations: [1, 1], group: 1 });
    graph.output(maps);
    const path = join(temporaryFolder(), 'same.onnx');
    await writeModel(path, graph, { name: 'same' });
    const { graph: found, end } = replay(readModel(path));
    expect(found.nodes[0]?.attributes).toMatchObject({ pads });
    found.output(end);
    const feeds = picture('x', [2, 1, 6, 5]);
    const expected = await answer({ path }, feeds);
    const own = await answer(encodeModel(found, { name: 'replayed' }), feeds);
    expectClose(Float32Array.from(own, Number), Float32Array.from(expected, Number));
  });

  it('refuses a cut that other paths go around', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', ['N', 2]);
    const relu = graph.rename(graph.add('Relu', [x]), 'half');
    graph.output(graph.rename(graph.add('Add', [relu, x]), 'sum'));
    const path = join(temporaryFolder(), 'residual.onnx');
    await writeModel(path, graph, { name: 'residual' });
    expect(() => replay(readModel(path), { from: ['half'] })).toThrow(
      '"sum" should follow from "half" alone, but needs "x" too',
    );
  });
});

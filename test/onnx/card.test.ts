import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cardMetadata, type LayerRecord, type ModelCard, readCard } from '../../src/onnx/card.ts';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { readModel } from '../../src/onnx/read.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { floatSource } from '../../src/source.ts';
import { temporaryFolder } from '../files.ts';

async function readBack(metadata: Readonly<Record<string, string>>): Promise<ModelCard> {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['N', 2]);
  const kernel = graph.initializer('dense/kernel', floatSource([2, 3], [1, 2, 3, 4, 5, 6]));
  const shared = graph.initializer('shared', floatSource([3], [1, 2, 3]));
  const dense = graph.rename(graph.add('Add', [graph.add('MatMul', [x, kernel]), shared]), 'dense');
  const axes = graph.integers('axes', [2, 3]);
  const conv = graph.rename(graph.add('Unsqueeze', [dense, axes]), 'conv');
  graph.output(graph.rename(graph.add('Relu', [conv]), 'relu'));
  const path = join(temporaryFolder(), 'm.onnx');
  await writeModel(path, graph, { name: 'm', metadata: () => metadata });
  return readCard(readModel(path));
}

const layers: readonly LayerRecord[] = [
  {
    name: 'dense',
    class: 'Dense',
    output: 'dense',
    shape: [null, 3],
    parameters: [
      { name: 'dense/kernel', shape: [2, 3] },
      { name: 'shared', shape: [3] },
    ],
  },
  { name: 'pad', class: 'ZeroPadding2D', output: null, shape: [null, 3, 4], parameters: [] },
  { name: 'drop', class: 'Dropout', output: 'dense', shape: [null, 3], parameters: [], rate: 0.5 },
  { name: 'flat', class: 'Flatten', output: 'f_1', order: [2, 2, 3], shape: [7], parameters: [] },
  {
    name: 'conv',
    class: 'Conv2D',
    output: 'conv',
    order: 'channels_first',
    // The value is [N, 3, 1, 1].
    shape: [null, 1, 1, 3],
    parameters: [],
  },
  { name: 'relu', class: 'ReLU', output: 'relu', shape: [null, 3, 1, 1], parameters: [] },
];

describe('the layers of a model card', () => {
  it('are read as they were written', async () => {
    expect((await readBack(cardMetadata({ layers }))).layers).toEqual(layers);
  });

  it('take few bytes: a layer is its name, its class and its weights', () => {
    const [first, , , , , last] = layers;
    const written = cardMetadata({ layers: [first, last].flatMap((layer) => layer ?? []) });
    expect(written).toEqual({
      'graft.layers': '[["dense","Dense",["kernel","=shared"]],["relu","ReLU"]]',
    });
  });

  it('are read in the form of version 0.1.0 too', async () => {
    const metadata = { 'graft.layers': JSON.stringify(layers) };
    expect((await readBack(metadata)).layers).toEqual(layers);
  });

  it('that are something else are refused', async () => {
    const card = readBack({ 'graft.layers': '[["dense"]]' });
    await expect(card).rejects.toMatchObject({ code: 'MODEL_CARD_INVALID' });
  });
});

import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onnx } from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import { cardMetadata, type LayerRecord } from '../../src/onnx/card.ts';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { readModel, type StoredModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { floatSource } from '../../src/source.ts';
import type { Value } from '../../src/tensor.ts';
import { popLayer } from '../../src/train/cut.ts';

async function stored(bytes: Uint8Array): Promise<StoredModel> {
  const path = join(await mkdtemp(join(tmpdir(), 'graft-cut-')), 'model.onnx');
  await writeFile(path, bytes);
  return readModel(path);
}

/** x [N, 4] → Relu "features" → what `end` makes of it. */
function model(
  end: (graph: GraphBuilder, features: Value) => Value,
  layers?: LayerRecord[],
): Uint8Array {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['N', 4]);
  const features = graph.rename(graph.add('Relu', [x]), 'features');
  graph.output(end(graph, features));
  return encodeModel(graph, { name: 'model', metadata: cardMetadata({ layers }) });
}

const weight = (graph: GraphBuilder, shape: readonly number[]): Value =>
  graph.initializer(
    'weight',
    floatSource(shape, new Float32Array(shape.reduce((a, b) => a * b, 1))),
  );

const record = (name: string, kind: string, output: string | null, rate?: number): LayerRecord => ({
  name,
  class: kind,
  output,
  shape: [null, 4],
  parameters: [],
  ...(rate !== undefined && { rate }),
});

const gemm = (graph: GraphBuilder, features: Value): Value => {
  const product = graph.add('Gemm', [features, weight(graph, [4, 3]), weight(graph, [3])], {});
  return graph.add('Softmax', [product], { axis: -1 });
};

describe('popLayer', () => {
  it.each([
    ['a Gemm with a softmax', gemm],
    [
      'a MatMul and an Add',
      (graph: GraphBuilder, features: Value) =>
        graph.add('Add', [
          weight(graph, [3]),
          graph.add('MatMul', [features, weight(graph, [4, 3])]),
        ]),
    ],
    [
      'a Gemm with a transposed kernel, behind an Identity',
      (graph: GraphBuilder, features: Value) => {
        const same = graph.add('Identity', [features]);
        return graph.add('Gemm', [same, weight(graph, [3, 4])], { transB: 1 });
      },
    ],
  ])('cuts before %s', async (_, end) => {
    const cut = popLayer(await stored(model(end)));
    expect(cut).toMatchObject({ at: 'features', width: 4, dropout: 0, layers: undefined });
  });

  it('takes a Dropout of the Keras layers off too, and keeps its rate', async () => {
    const layers = [
      record('fc', 'Dense', 'features'),
      record('drop', 'Dropout', 'features', 0.4),
      record('last', 'Dense', 'Softmax'),
    ];
    expect(popLayer(await stored(model(gemm, layers)))).toMatchObject({
      at: 'features',
      dropout: 0.4,
      removed: ['drop', 'last'],
      layers: [{ name: 'fc' }],
    });
  });

  it('takes off a Dropout node that another exporter left, with its ratio', async () => {
    const bytes = model((graph, features) => {
      const kept = graph.add('Max', [features, graph.floats('ratio', [0.25])]);
      return graph.add('Gemm', [kept, weight(graph, [4, 3])], {});
    });
    const proto = onnx.ModelProto.decode(bytes);
    for (const node of proto.graph?.node ?? []) if (node.opType === 'Max') node.opType = 'Dropout';
    const other = await stored(onnx.ModelProto.encode(proto).finish());
    expect(popLayer(other)).toMatchObject({ at: 'features', dropout: 0.25 });
  });

  it('cuts at another value when told so', async () => {
    const layers = [record('relu', 'ReLU', 'features'), record('last', 'Dense', 'Softmax')];
    const base = await stored(model(gemm, layers));
    expect(popLayer(base, { at: 'Gemm' })).toMatchObject({ at: 'Gemm', width: 3 });
    expect(popLayer(base, { at: 'features' })).toMatchObject({
      width: 4,
      removed: ['last'],
      layers: [{ name: 'relu' }],
    });
    expect(() => popLayer(base, { at: 'nowhere' })).toThrow('no value named "nowhere"');
  });

  it('says what a model ends in that has no dense layer', async () => {
    const base = await stored(model((graph, features) => graph.add('Sqrt', [features])));
    expect(() => popLayer(base)).toThrow('its end is computed by Sqrt');
  });
});

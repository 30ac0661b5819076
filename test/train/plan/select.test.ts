import { beforeAll, describe, expect, it } from 'vitest';
import { readModel, type StoredModel } from '../../../src/onnx/read.ts';
import { lastCut } from '../../../src/train/plan/cut-point.ts';
import { layersOf, type PlanLayer } from '../../../src/train/plan/layers.ts';
import { type Choosable, selectLayers } from '../../../src/train/plan/select.ts';
import { digitsModel } from '../base.ts';

let model: StoredModel;
let digits: Choosable;

beforeAll(async () => {
  model = readModel(await digitsModel());
  digits = { layers: layersOf(model), head: new Set(['dense_3']) };
}, 60_000);

/** The indices of Keras' model.layers that the fast.ai notebooks use: 28 is the second convolution of block 5. */
const indicesOf = (choice: string): readonly number[] =>
  selectLayers(choice, digits).map(({ index }) => index);

const dense = [33, 35, 37];
const block5 = [26, 28, 30];

function layer(name: string, kind: string, size: number): PlanLayer {
  const shape = [null, 8, size, size];
  return {
    name,
    class: kind,
    index: 0,
    parameters: [name],
    size: 1,
    shape,
    output: name,
    rate: undefined,
  };
}

function cut(choice: string): ReturnType<typeof lastCut> {
  const names = selectLayers(choice, digits).flatMap(({ parameters }) => parameters);
  return lastCut(model, model.outputs[0]?.name ?? '', new Set(names));
}

describe('selectLayers', () => {
  it.each([
    ['head', [37]],
    ['dense', dense],
    ['conv5', [...block5, ...dense]],
    ['conv', [...block5, ...dense]],
    ['conv4', [19, 21, 23, ...block5, ...dense]],
    ['all', [2, 4, 7, 9, 12, 14, 16, 19, 21, 23, ...block5, ...dense]],
    ['12:', [12, 14, 16, 19, 21, 23, ...block5, ...dense]],
    ['12:20', [12, 14, 16, 19]],
    ['-1', [37]],
    ['30', [30]],
    ['dense_1', [33]],
    ['convolution2d_1?', [23, ...block5]],
    ['dense_*', dense],
    ['30+dense_2', [30, 35]],
  ])('understands "%s"', (choice, indices) => {
    expect(indicesOf(choice)).toEqual(indices);
  });

  it.each(['conv6', 'fc9', '99', 'maxpooling2d_1', ''])(
    'refuses "%s" and names what there is',
    (choice) => {
      expect(() => indicesOf(choice)).toThrow('conv1 to conv5');
    },
  );

  it('takes a convolution with a stride for the beginning of a block', () => {
    const layers = [
      layer('a', 'Conv2D', 16),
      layer('b', 'DepthwiseConv2D', 8),
      layer('c', 'Conv2D', 8),
    ];
    const names = (choice: string) =>
      selectLayers(choice, { layers, head: new Set(['c']) }).map(({ name }) => name);
    expect(names('conv2')).toEqual(['b', 'c']);
    expect(() => names('conv3')).toThrow('conv1 to conv2');
  });
});

describe('lastCut', () => {
  it('cuts right before the first layer that learns', () => {
    expect(cut('head')).toEqual({ name: 'dense_2', shape: [64], width: 64 });
    expect(cut('dense')).toEqual({ name: 'flatten_1', shape: [32], width: 32 });
    expect(cut('conv5')).toEqual({ name: 'maxpooling2d_4', shape: [32, 2, 2], width: 128 });
    expect(cut('all')).toEqual({ name: 'lambda_1', shape: [3, 32, 32], width: 3072 });
  });
});

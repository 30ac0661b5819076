import { expect, onTestFinished, test } from 'vitest';
import { openKeras } from '../../src/keras/open.ts';
import { openFault } from './expect-fault.ts';
import { type MadeLayer, writeLayers, writePositions, written } from './written.ts';

const blocks = [
  [2, 1],
  [2, 2],
  [3, 3],
  [3, 4],
  [3, 4],
] as const;

interface Variant {
  readonly rows?: number;
  readonly classes?: number;
  readonly hasLambda?: boolean;
  readonly isTf?: boolean;
  /** Only layers with weights. */
  readonly isBare?: boolean;
}

/** The course's VGG16 as Keras 1 would have saved it: widths 1, 2, 3, 4, 4 and Dense 5, 6, 7. */
function vgg({
  rows = 4 * 49,
  classes = 7,
  hasLambda = true,
  isTf = false,
  isBare = false,
}: Variant): MadeLayer[] {
  const layers: MadeLayer[] = hasLambda ? [['lambda_1', {}]] : [];
  let channels = 3;
  let number = 0;
  for (const [i, [depth, width]] of blocks.entries()) {
    for (let k = 0; k < depth; k++) {
      number += 1;
      const name = `convolution2d_${number}`;
      const shape = isTf ? [3, 3, channels, width] : [width, channels, 3, 3];
      layers.push(
        [`zeropadding2d_${number}`, {}],
        [name, { [`${name}_W`]: shape, [`${name}_b`]: [width] }],
      );
      channels = width;
    }
    layers.push([`maxpooling2d_${i + 1}`, {}]);
  }
  layers.push(
    ['flatten_1', {}],
    dense(1, rows, 5),
    ['dropout_1', {}],
    dense(2, 5, 6),
    ['dropout_2', {}],
    dense(3, 6, classes),
  );
  return isBare ? layers.filter(([, weights]) => Object.keys(weights).length > 0) : layers;
}

function dense(number: number, inputs: number, units: number): MadeLayer {
  const name = `dense_${number}`;
  return [name, { [`${name}_W`]: [inputs, units], [`${name}_b`]: [units] }];
}

async function file(layers: readonly MadeLayer[]): Promise<string> {
  return written('vgg16.h5', (h5) => writeLayers(h5, layers));
}

test('49 cells of the last map are an image of 224', async () => {
  const model = await openKeras(await file(vgg({})));
  onTestFinished(() => model.close());
  expect(model.recipe?.name).toBe('fastai-vgg16');
  expect(model.graph.inputs[0]?.shape).toEqual([3, 224, 224]);
  const size = model.decisions.find(({ subject }) => subject === 'input size');
  expect(size?.evidence).toContain('196 rows = 4 channels of 7x7');
  expect(size?.evidence).toContain('from 224 to 255');
});

test('tf ordering is seen from the shapes', async () => {
  const model = await openKeras(await file(vgg({ isTf: true })), { kernels: 'tensorflow' });
  onTestFinished(() => model.close());
  expect(model.graph.inputs[0]?.shape).toEqual([224, 224, 3]);
  expect(model.graph.layers[2]?.config['data_format']).toBe('channels_last');
});

test('without the Lambda it is the model that takes prepared images', async () => {
  const model = await openKeras(await file(vgg({ hasLambda: false })));
  onTestFinished(() => model.close());
  expect(model.recipe?.name).toBe('vgg16-gist');
});

test('a Lambda at the head of a Keras 0 layout is counted', async () => {
  const shapes = vgg({}).map(([, weights]) => Object.values(weights));
  const model = await openKeras(await written('w.h5', (h5) => writePositions(h5, shapes)));
  onTestFinished(() => model.close());
  expect(model.recipe?.name).toBe('fastai-vgg16');
  expect(model.graph.layers[0]?.name).toBe('preprocess');
});

test('layers with weights alone fit two recipes: the caller chooses', async () => {
  const path = await file(vgg({ isBare: true }));
  const fault = await openFault(path, 'KERAS_ARCHITECTURE_UNKNOWN');
  expect(fault.message).toContain('fastai-vgg16');
  expect(fault.message).toContain('vgg16-gist');
  const model = await openKeras(path, { arch: 'vgg16-gist' });
  onTestFinished(() => model.close());
  expect(model.graph.layers.length).toBe(37);
});

test('a map that is not square is not guessed', async () => {
  const fault = await openFault(await file(vgg({ rows: 4 * 6 })), 'KERAS_ARCHITECTURE_UNKNOWN');
  expect(fault.message).toContain('needs a square number of 4 rows, the file has [24, 5] and [5]');
});

test('says what the file holds, and where each known architecture differs', async () => {
  const layers = vgg({}).map(
    (layer): MadeLayer =>
      layer[0] === 'convolution2d_2' ? [layer[0], { W: [2, 1, 3, 3], b: [2] }] : layer,
  );
  const fault = await openFault(await file(layers), 'KERAS_ARCHITECTURE_UNKNOWN');
  expect(fault.message).toContain('(16 of 38)');
  expect(fault.message).toContain(
    'convolution2d_1 (convolution2d_1_W [1, 3, 3, 3], convolution2d_1_b [1])',
  );
  expect(fault.message).toContain('… 8 more');
  expect(fault.message).toContain('fastai-vgg16: conv1_2 (Conv2D) needs [1, 1, 3, 3] and [1]');
  expect(fault.hint).toContain('--arch FILE');
});

test('layers of another kind in between do not fit', async () => {
  const layers = vgg({}).map(
    (layer): MadeLayer => (layer[0] === 'maxpooling2d_3' ? ['averagepooling2d_1', {}] : layer),
  );
  const fault = await openFault(await file(layers), 'KERAS_ARCHITECTURE_UNKNOWN');
  expect(fault.message).toContain('is MaxPooling2D, in the file averagepooling2d_1');
});

test('1000 classes are those of ImageNet', async () => {
  const model = await openKeras(await file(vgg({ classes: 1000 })));
  onTestFinished(() => model.close());
  expect(model.recipe?.labels).toBe('imagenet');
});

test('weights of Keras 2 are not recognised: their shapes do not tell the ordering', async () => {
  const path = await written('w.h5', (h5) =>
    writeLayers(h5, vgg({}), { keras_version: '2.2.4', backend: 'theano' }),
  );
  const fault = await openFault(path, 'KERAS_ARCHITECTURE_UNKNOWN');
  expect(fault.message).toContain('the file of Keras 2');
});

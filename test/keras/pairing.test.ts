import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openKeras } from '../../src/keras/open.ts';
import { temporaryFolder } from '../files.ts';
import { openFault } from './expect-fault.ts';
import { type MadeLayer, writeLayers, writePositions, written } from './written.ts';

/** Architecture of Keras 1 in th ordering: a convolution, and Dense layers of the given widths. */
function architecture(units: readonly number[]): string {
  const layers = [
    {
      class_name: 'Convolution2D',
      config: {
        name: 'conv',
        nb_filter: 2,
        nb_row: 3,
        nb_col: 3,
        dim_ordering: 'th',
        batch_input_shape: [null, 1, 5, 5],
      },
    },
    { class_name: 'Flatten', config: { name: 'flat' } },
    ...units.map((width, i) => ({
      class_name: 'Dense',
      config: { name: `fc${i}`, output_dim: width },
    })),
  ];
  const path = join(temporaryFolder(), 'arch.json');
  writeFileSync(
    path,
    JSON.stringify({ class_name: 'Sequential', config: layers, keras_version: '1.2.2' }),
  );
  return path;
}

const conv: MadeLayer = ['conv', { conv_W: [2, 1, 3, 3], conv_b: [2] }];
const flat: MadeLayer = ['flat', {}];

function fc(i: number, inputs: number, units: number): MadeLayer {
  return [`fc${i}`, { [`fc${i}_W`]: [inputs, units], [`fc${i}_b`]: [units] }];
}

test('pairs layers with weights in order, whatever their names', async () => {
  const path = await written('w.h5', (file) => {
    writeLayers(file, [
      ['convolution2d_1', { a: [2, 1, 3, 3], b: [2] }],
      ['dense_1', { c: [18, 4], d: [4] }],
    ]);
  });
  const model = await openKeras(path, { arch: architecture([4]) });
  onTestFinished(() => model.close());
  expect(
    model.graph.layers.map((layer) => [layer.name, layer.weights.map(({ name }) => name)]),
  ).toEqual([
    ['conv', ['a', 'b']],
    ['flat', []],
    ['fc0', ['c', 'd']],
  ]);
});

test('a layer too few in the file is named', async () => {
  const path = await written('w.h5', (file) => writeLayers(file, [conv, flat, fc(0, 18, 4)]));
  const fault = await openFault(path, 'KERAS_WEIGHT_MISSING', { arch: architecture([4, 3]) });
  expect(fault.message).toContain(
    '3 layers with weights, the file 2; they first differ at number 3',
  );
  expect(fault.message).toContain('architecture: fc1 (Dense: kernel, bias)');
  expect(fault.message).toContain('file:         nothing more');
});

test('a layer too many in the file is named', async () => {
  const path = await written('w.h5', (file) =>
    writeLayers(file, [conv, flat, fc(0, 18, 4), fc(1, 4, 3)]),
  );
  const fault = await openFault(path, 'KERAS_WEIGHT_MISSING', { arch: architecture([4]) });
  expect(fault.message).toContain('file:         fc1 (fc1_W [4, 3], fc1_b [3])');
  expect(fault.hint).toContain('--arch');
});

test('a bias that is not there is told', async () => {
  const path = await written('w.h5', (file) =>
    writeLayers(file, [conv, flat, ['fc0', { fc0_W: [18, 4] }]]),
  );
  const fault = await openFault(path, 'KERAS_WEIGHT_MISSING', { arch: architecture([4]) });
  expect(fault.message).toContain('fc0 (fc0_W [18, 4])');
});

test('weights of another kind of layer are told', async () => {
  const path = await written('w.h5', (file) =>
    writeLayers(file, [conv, flat, ['fc0', { a: [1, 2, 3, 4], b: [4] }]]),
  );
  const fault = await openFault(path, 'KERAS_WEIGHT_SHAPE', { arch: architecture([4]) });
  expect(fault.message).toContain('fc0 (a [1, 2, 3, 4], b [4])');
});

test('a weight that is named and not there is told', async () => {
  const path = await written('w.h5', (file) => {
    writeLayers(file, [['conv', {}], flat]);
    const group = file.create_group('fc0');
    group.create_attribute('weight_names', ['gone']);
    file.delete_attribute('layer_names');
    file.create_attribute('layer_names', ['conv', 'flat', 'fc0']);
  });
  const fault = await openFault(path, 'KERAS_WEIGHT_MISSING', { arch: architecture([4]) });
  expect(fault.where.path).toBe('/fc0/gone');
});

test('Keras 0 counts layers without weights by position', async () => {
  const path = await written('w.h5', (file) =>
    writePositions(file, [[[2, 1, 3, 3], [2]], [], [[18, 4], [4]]]),
  );
  const model = await openKeras(path, { arch: architecture([4]) });
  onTestFinished(() => model.close());
  expect(model.graph.layers.map((layer) => layer.weights.length)).toEqual([2, 0, 2]);
  const shifted = await written('w.h5', (file) =>
    writePositions(file, [[], [[2, 1, 3, 3], [2]], [[18, 4], [4]]]),
  );
  const fault = await openFault(shifted, 'KERAS_WEIGHT_MISSING', { arch: architecture([4]) });
  expect(fault.message).toContain('file:         layer_0 (no weights)');
});

test('Keras 0 with fewer groups than it says', async () => {
  const path = await written('w.h5', (file) => {
    file.create_attribute('nb_layers', 1_000_000);
    file.create_group('layer_0').create_attribute('nb_params', 0);
  });
  const fault = await openFault(path, 'KERAS_WEIGHT_MISSING', { arch: architecture([4]) });
  expect(fault.message).toContain('layer_1 is not there');
});

test('TensorFlow’s kernels in th ordering are moved and not turned', async () => {
  const path = await written('w.h5', (file) => {
    writeLayers(file, [['conv', { 'W:0': [2, 1, 3, 3], 'b:0': [2] }], flat, fc(0, 18, 4)]);
  });
  const model = await openKeras(path, { arch: architecture([4]) });
  onTestFinished(() => model.close());
  const source = model.graph.layers[0]?.weights[0]?.source;
  expect(source?.shape).toEqual([3, 3, 1, 2]);
  // Filter 0 holds 0 to 8, filter 1 holds 9 to 17.
  const bytes = Uint8Array.from(source?.read(0, 4) ?? []);
  expect([...new Float32Array(bytes.buffer)]).toEqual([0, 9, 1, 10]);
});

test('the words th_kernels in a file’s name outweigh the names of its weights, and both are told', async () => {
  const path = await written('vgg_th_dim_ordering_th_kernels.h5', (file) => {
    writeLayers(file, [['conv', { 'W:0': [2, 1, 3, 3], 'b:0': [2] }], flat, fc(0, 18, 4)]);
  });
  const model = await openKeras(path, { arch: architecture([4]) });
  onTestFinished(() => model.close());
  expect(model.origin.kernels).toBe('theano');
  const decision = model.decisions.find(({ subject }) => subject === 'kernels');
  expect(decision?.evidence).toContain('"th_kernels"');
  expect(decision?.evidence).toContain('against it: names of weights end in ":0"');
  expect(decision?.overrule).toBe('--kernels theano|tensorflow');
});

import { describe, expect, it } from 'vitest';
import { type GraphView, layerLines, nodeLines } from '../../src/inspect/lines.ts';
import type { LayerRecord } from '../../src/onnx/card.ts';
import { vgg16Lines } from './vgg16.ts';

// The published numbers of VGG16: Simonyan and Zisserman 2014, table 2, and Keras' own summary
describe("the notebook's VGG16", () => {
  const lines = vgg16Lines();
  const sum = (kind: RegExp) =>
    lines.filter((line) => kind.test(line.name)).reduce((all, line) => all + line.parameters, 0);

  it.each([
    ['conv', 14_714_688],
    ['fc1', 102_764_544],
    ['fc2', 16_781_312],
    ['fc3', 4_097_000],
    ['', 138_357_544],
  ])('has the parameters of %s', (name, parameters) => {
    expect(sum(new RegExp(`^${name}`))).toBe(parameters);
  });

  it('takes 4 bytes for each parameter', () => {
    expect(lines.reduce((all, line) => all + line.weightBytes, 0)).toBe(138_357_544 * 4);
  });

  // Input and Lambda 150,528 each, convolutions 13,547,520, poolings 1,530,368 and 3 dense outputs
  it('puts out 15.4 million numbers an image', () => {
    const activations = lines.reduce((all, line) => all + (line.activations ?? Number.NaN), 0);
    expect(activations).toBe(2 * 150_528 + 13_547_520 + 1_530_368 + 4096 + 4096 + 1000);
  });

  it('is a chain, though paddings were fused and dropouts pass their input on', () => {
    expect(lines.map(({ inputs }) => inputs)).toEqual(
      lines.map((_, at) => (at === 0 ? [] : [at - 1])),
    );
  });

  it('has no memory of its own for what is fused, viewed or passed on', () => {
    const without = lines.filter(({ activations }) => activations === 0).map((line) => line.class);
    expect(new Set(without)).toEqual(new Set(['ZeroPadding2D', 'Flatten', 'Dropout']));
  });
});

/** x → a → b → sum of a and b, by way of a node that is no layer's output. */
const residual: GraphView = {
  inputs: [{ name: 'x', shape: ['N', 4] }],
  nodes: [
    { name: 'n1', op: 'MatMul', inputs: ['x', 'w'], outputs: ['product'] },
    { name: 'n2', op: 'Add', inputs: ['product', 'bias'], outputs: ['a'] },
    { name: 'n3', op: 'MatMul', inputs: ['a', 'w'], outputs: ['b'] },
    { name: 'n4', op: 'Add', inputs: ['b', 'a'], outputs: ['sum'] },
  ],
  initializers: new Map([
    ['w', { dtype: 'float16', shape: [4, 4] }],
    ['bias', { dtype: 'float16', shape: [4] }],
  ]),
  shapes: new Map([
    ['product', ['N', 4]],
    ['a', ['N', 4]],
    ['b', ['N', 'M']],
  ]),
};

describe('layers of a model that branches', () => {
  const shape = [null, 4];
  const w = { name: 'w', shape: [4, 4] };
  const layers: LayerRecord[] = [
    {
      name: 'a',
      class: 'Dense',
      output: 'a',
      shape,
      parameters: [w, { name: 'bias', shape: [4] }],
    },
    { name: 'b', class: 'Dense', output: 'b', shape, parameters: [w] },
    { name: 'sum', class: 'Add', output: 'sum', shape, parameters: [] },
  ];
  const lines = layerLines(layers, residual);

  it('are connected to all that they read', () => {
    expect(lines.map(({ name, inputs }) => [name, inputs.map((at) => lines[at]?.name)])).toEqual([
      ['x', []],
      ['a', ['x']],
      ['b', ['a']],
      ['sum', ['a', 'b']],
    ]);
  });

  it('count the bytes of a shared weight once, in its own width', () => {
    expect(lines.map(({ weightBytes }) => weightBytes)).toEqual([0, 20 * 2, 0, 0]);
  });
});

describe('a BatchNormalization', () => {
  it('trains scale and offset and not its running statistics', () => {
    const names = ['gamma', 'beta', 'moving_mean', 'moving_variance'];
    const parameters = names.map((name) => ({ name: `bn/${name}`, shape: [8] }));
    const layers = [
      { name: 'bn', class: 'BatchNormalization', output: 'y', shape: [null, 8], parameters },
    ];
    const [, line] = layerLines(layers, { ...residual, nodes: [] });
    expect(line).toMatchObject({ parameters: 32, trainable: 16 });
  });
});

describe('a model that says nothing of layers', () => {
  it('is described by its nodes, and says where a size is not known', () => {
    expect(nodeLines(residual)).toMatchObject([
      { name: 'x', class: 'InputLayer', shape: [null, 4], inputs: [], activations: 4 },
      { name: 'n1', class: 'MatMul', parameters: 16, inputs: [0], activations: 4 },
      { name: 'n2', class: 'Add', parameters: 4, inputs: [1], activations: 4 },
      { name: 'n3', parameters: 0, weightBytes: 0, inputs: [2], activations: undefined },
      { name: 'n4', shape: undefined, inputs: [2, 3], activations: undefined },
    ]);
  });
});

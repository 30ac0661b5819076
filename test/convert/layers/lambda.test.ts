import { describe, expect, it } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { defineLayer } from '../../../src/convert/layer.ts';
import { elementwise } from '../../../src/convert/layout.ts';
import { expectClose } from '../../tolerance.ts';
import { madeModel } from '../made-model.ts';
import { runGraph } from '../run-graph.ts';

const x = { shape: [1, 4], data: Float32Array.of(-2, -0.5, 1, 8) };

const lambda = (config = {}) =>
  madeModel({ input: [4], layers: [{ name: 'prepare', is: 'Lambda', config }] });

async function answer(lambdas: Readonly<Record<string, string>>, config = {}) {
  const { graph } = convertModel(lambda(config), { lambdas });
  return (await runGraph(graph, [x])).get(graph.outputs[0]?.name ?? '')?.data ?? [];
}

describe('a Lambda layer', () => {
  it.each([
    ['x/127.5-1', [...x.data].map((n) => n / 127.5 - 1)],
    ['x / 255', [...x.data].map((n) => n / 255)],
    ['x-0.5', [...x.data].map((n) => n - 0.5)],
    ['x*2+1', [-3, 0, 3, 17]],
    ['identity', [...x.data]],
    // The length is sqrt(4 + 0.25 + 1 + 64).
    ['l2_normalize', [...x.data].map((n) => n / Math.sqrt(69.25))],
  ])('that is said to be %s', async (preset, expected) => {
    expectClose(await answer({ prepare: preset }), expected);
  });

  it('is known by the name of its function too', async () => {
    expectClose(await answer({ scale: 'x*2' }, { function: 'scale' }), [-4, -1, 2, 16]);
  });

  it('has blocks of 2 by 2 as channels, for space_to_depth_x2', async () => {
    const layers = [{ name: 'y', is: 'Lambda', config: { function: 'space_to_depth_x2' } }];
    const { graph } = convertModel(madeModel({ input: [2, 2, 1], layers }));
    const image = { shape: [1, 2, 2, 1], data: Float32Array.of(1, 2, 3, 4) };
    const result = (await runGraph(graph, [image])).get('y');
    expect(result).toEqual({ shape: [1, 1, 1, 4], data: Float32Array.of(1, 2, 3, 4) });
  });

  it('without a word is refused, and the error says what to say', () => {
    expect(() => convertModel(lambda())).toThrow(/--lambda prepare=PRESET/);
  });

  it('with a preset that there is not is refused, and the error lists those that there are', () => {
    const asked = { lambdas: { prepare: 'exp(x)' } };
    expect(() => convertModel(lambda(), asked)).toThrow(
      /"exp\(x\)" is no preset[^]*vgg_preprocess/,
    );
  });
});

const model = () =>
  madeModel({
    input: [4],
    layers: [
      {
        name: 'odd',
        is: 'Package>Scaled',
        config: { by: 3 },
        weights: [[[4], [1, 2, 3, 4]]],
      },
    ],
  });

describe('a class of the user', () => {
  const scaled = defineLayer({
    keras: ['Scaled'],
    read: (config) => config.number('by'),
    weights: (_, input) => ({ offset: [Number(input.at(-1))] }),
    emit({ config: by, input, weights, parameter, graph, layouts }) {
      const tensor = layouts.keras(input);
      const product = graph.add('Mul', [tensor.value, graph.floats('by', [by])]);
      return elementwise(tensor, graph.add('Add', [product, parameter('offset', weights.offset)]));
    },
  });

  it('is converted by a rule of the user', async () => {
    const { graph } = convertModel(model(), { layers: [scaled] });
    const result = (await runGraph(graph, [x])).get('odd');
    expectClose(result?.data ?? [], [-5, 0.5, 6, 28]);
    expect([...graph.initializers.keys()]).toContain('odd/offset');
  });

  it('is refused without one, by name', () => {
    expect(() => convertModel(model())).toThrow(/"Package>Scaled" cannot be converted/);
  });
});

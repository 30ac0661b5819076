import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { gradients } from '../../src/train/gradients.ts';
import { winogradConvolution } from '../../src/train/lowering/winograd.ts';
import { checkFixture, readGradientFixtures } from './gradient-fixtures.ts';

const fixtures = readGradientFixtures();
const ops = [...new Set(fixtures.map(({ op }) => op))];

it('has a gradient of JAX in float64 for every row of the table', () => {
  expect(ops.toSorted()).toEqual(Object.keys(gradients).toSorted());
});

describe.each(ops)('%s', (op) => {
  const own = fixtures.filter((fixture) => fixture.op === op);
  it.each(own.map((fixture) => [fixture.what, fixture] as const))(
    'agrees with JAX: %s',
    async (_, fixture) => {
      await checkFixture(fixture, { forms: 'cpu' });
    },
  );
});

describe.each(['cuda', 'webgpu'] as const)('in the forms for %s', (forms) => {
  const lowered = fixtures.filter(({ op }) => ['Conv', 'ConvTranspose', 'MaxPool'].includes(op));
  it.each(lowered.map((fixture) => [`${fixture.op}: ${fixture.what}`, fixture] as const))(
    'agrees with JAX: %s',
    async (_, fixture) => {
      await checkFixture(fixture, { forms });
    },
  );
});

describe('by Winograd', () => {
  const window = z.object({
    kernel_shape: z.tuple([z.literal(3), z.literal(3)]),
    strides: z.tuple([z.literal(1), z.literal(1)]),
    dilations: z.tuple([z.literal(1), z.literal(1)]),
    pads: z.array(z.number()),
    group: z.literal(1),
  });
  const plain = fixtures.flatMap((fixture) => {
    const parsed = window.safeParse(fixture.attributes);
    return fixture.op === 'Conv' && parsed.success
      ? [[fixture.what, fixture, parsed.data] as const]
      : [];
  });

  it('is tried on maps of even and odd sizes, with and without pads', () => {
    expect(plain.map(([what]) => what)).toEqual([
      'plain',
      'same padding',
      'many channels, same padding',
      'pads that differ',
    ]);
  });

  it.each(plain)('a convolution agrees with JAX: %s', async (_, fixture, attributes) => {
    await checkFixture(fixture, {
      forms: 'cpu',
      emit(graph, __, [x, w, bias]) {
        if (!x || !w) throw new Error('a convolution has an input and a kernel');
        const convolution = { window: attributes, x, w, bias: bias ?? undefined };
        const { y, unit } = winogradConvolution(graph, convolution);
        return { outputs: [y], units: [unit] };
      },
    });
  });
});

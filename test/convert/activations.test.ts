import { describe, expect, it } from 'vitest';
import { activationNames } from '../../src/convert/activations.ts';
import { convertModel } from '../../src/convert/convert-model.ts';
import type { Generation } from '../../src/keras/model.ts';
import { expectClose } from '../tolerance.ts';
import { madeModel } from './made-model.ts';
import { runGraph } from './run-graph.ts';

const points = [-4, -1.5, -0.25, 0, 0.5, 1, 3, 7];

const clip = (n: number, low: number, high: number): number => Math.max(low, Math.min(high, n));
const sigmoid = (n: number): number => 1 / (1 + Math.exp(-n));
const softplus = (n: number): number => Math.log1p(Math.exp(n));
const total = points.reduce((sum, n) => sum + Math.exp(n), 0);

/** erf by its power series, exact to 1e-12 for the points above. */
function erf(n: number): number {
  let term = n;
  let sum = n;
  for (let i = 1; i < 200; i++) {
    term *= -(n * n) / i;
    sum += term / (2 * i + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** Keras' formulas. */
const formulas: Readonly<Record<string, (n: number) => number>> = {
  linear: (n) => n,
  relu: (n) => Math.max(n, 0),
  relu6: (n) => clip(n, 0, 6),
  softmax: (n) => Math.exp(n) / total,
  log_softmax: (n) => n - Math.log(total),
  sigmoid,
  tanh: Math.tanh,
  softplus,
  softsign: (n) => n / (1 + Math.abs(n)),
  exponential: Math.exp,
  elu: (n) => (n > 0 ? n : Math.expm1(n)),
  selu: (n) => 1.0507009873554805 * (n > 0 ? n : 1.6732632423543772 * Math.expm1(n)),
  hard_sigmoid: (n) => clip(0.2 * n + 0.5, 0, 1),
  silu: (n) => n * sigmoid(n),
  hard_silu: (n) => (n * clip(n + 3, 0, 6)) / 6,
  gelu: (n) => 0.5 * n * (1 + erf(n / Math.SQRT2)),
  mish: (n) => n * Math.tanh(softplus(n)),
  leaky_relu: (n) => (n > 0 ? n : 0.2 * n),
  log_sigmoid: (n) => Math.log(sigmoid(n)),
  hard_tanh: (n) => clip(n, -1, 1),
  tanh_shrink: (n) => n - Math.tanh(n),
  celu: (n) => (n > 0 ? n : Math.expm1(n)),
  squareplus: (n) => (n + Math.sqrt(n * n + 4)) / 2,
  sparse_plus: (n) => (n <= -1 ? 0 : n < 1 ? (n + 1) ** 2 / 4 : n),
  sparse_sigmoid: (n) => clip((n + 1) / 2, 0, 1),
  soft_shrink: (n) => Math.sign(n) * Math.max(Math.abs(n) - 0.5, 0),
  hard_shrink: (n) => (Math.abs(n) > 0.5 ? n : 0),
  // 7 is so large that it counts alone: what is over 6 is left.
  sparsemax: (n) => Math.max(n - 6, 0),
};

/** The first half of the points times the sigmoid of the second. */
const glu = points.slice(0, 4).map((n, i) => n * sigmoid(points[i + 4] ?? 0));

async function applied(activation: unknown, generation: Generation): Promise<ArrayLike<number>> {
  const layers = [{ name: 'y', is: 'Activation', config: { activation } }];
  const { graph } = convertModel(madeModel({ input: [points.length], layers, generation }));
  const x = { shape: [1, points.length], data: Float32Array.from(points) };
  return (await runGraph(graph, [x])).get('y')?.data ?? [];
}

describe('activations', () => {
  it('all have a formula here', () => {
    expect([...Object.keys(formulas), 'glu'].toSorted()).toEqual(activationNames.toSorted());
  });

  it.each(Object.entries(formulas))('%s is as Keras computes it', async (name, formula) => {
    expectClose(await applied(name, 'Keras 2'), points.map(formula));
  });

  it('glu halves the last axis', async () => {
    expectClose(await applied('glu', 'Keras 3'), glu);
  });

  it('hard_sigmoid has a flatter slope in Keras 3', async () => {
    expectClose(
      await applied('hard_sigmoid', 'Keras 3'),
      points.map((n) => clip(n + 3, 0, 6) / 6),
    );
  });

  it('swish and hard_swish are other names of silu and hard_silu', async () => {
    expectClose(await applied('swish', 'Keras 2'), await applied('silu', 'Keras 2'));
    expectClose(await applied('hard_swish', 'Keras 3'), await applied('hard_silu', 'Keras 3'));
  });

  it.each([
    ['LeakyReLU', { alpha: 0.1 }, (n: number) => (n > 0 ? n : 0.1 * n)],
    ['LeakyReLU', { negative_slope: 0.1 }, (n: number) => (n > 0 ? n : 0.1 * n)],
    ['ReLU', { max_value: 2, negative_slope: 0.5 }, (n: number) => Math.min(n > 0 ? n : n / 2, 2)],
    ['ELU', { alpha: 2 }, (n: number) => (n > 0 ? n : 2 * Math.expm1(n))],
  ])('may be a layer of activation: %s %j', async (className, config, formula) => {
    const activation = { module: 'keras.layers', class_name: className, config };
    expectClose(await applied(activation, 'Keras 3'), points.map(formula));
  });

  it('that are unknown are refused by name, with those that are known', async () => {
    await expect(applied('snake', 'Keras 2')).rejects.toThrow(/"snake"[^]*softplus/);
  });
});

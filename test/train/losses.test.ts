import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { openSession, type Tensor } from '../../src/runtime/session.ts';
import { backward } from '../../src/train/backward.ts';
import { type Loss, type LossName, losses } from '../../src/train/losses.ts';
import { expectClose } from '../tolerance.ts';

interface Sample {
  readonly prediction: readonly number[];
  /** Scores, or one class number. */
  readonly target: readonly number[];
}

type Formula = (sample: Sample) => number;

const sum = (list: readonly number[]): number => list.reduce((total, value) => total + value, 0);

const logitSamples: readonly Sample[] = [
  { prediction: [0.3, -1.2, 2.1], target: [0, 0, 1] },
  { prediction: [1.5, 0.2, -0.4], target: [0, 1, 0] },
  { prediction: [-0.7, 0.9, 0.4], target: [0.2, 0.5, 0.3] },
];
const crossentropy: Formula = ({ prediction: z, target }) =>
  -sum(target.map((t, k) => t * Math.log(Math.exp(z[k] ?? 0) / sum(z.map(Math.exp)))));
const clipped = (p: number): number => Math.min(1 - 1e-7, Math.max(1e-7, p));

/** Each loss in float64, by its formula, on samples where it is smooth. */
const cases: { readonly [L in LossName]: { samples: readonly Sample[]; formula: Formula } } = {
  categorical_crossentropy: { samples: logitSamples, formula: crossentropy },
  sparse_categorical_crossentropy: {
    samples: [
      { prediction: [0.3, -1.2, 2.1], target: [2] },
      { prediction: [1.5, 0.2, -0.4], target: [0] },
    ],
    formula: ({ prediction, target: [label] }) =>
      crossentropy({ prediction, target: [0, 1, 2].map((k) => +(k === label)) }),
  },
  keras_categorical_crossentropy: {
    // The sums are not 1: Keras divides by them first.
    samples: [
      { prediction: [0.2, 0.5, 0.4], target: [0, 1, 0] },
      { prediction: [0.6, 0.1, 0.2], target: [0.2, 0.5, 0.3] },
    ],
    formula: ({ prediction: p, target }) =>
      -sum(target.map((t, k) => t * Math.log(clipped((p[k] ?? 0) / sum(p))))),
  },
  keras_sparse_categorical_crossentropy: {
    samples: [
      { prediction: [0.2, 0.5, 0.3], target: [1] },
      { prediction: [0.6, 0.1, 0.3], target: [2] },
    ],
    formula: ({ prediction, target: [label] }) => -Math.log(clipped(prediction[label ?? 0] ?? 0)),
  },
  keras_binary_crossentropy: {
    samples: [
      { prediction: [0.7, 0.2], target: [1, 0] },
      { prediction: [0.1, 0.9], target: [0.25, 0] },
    ],
    formula: ({ prediction, target }) =>
      sum(
        prediction.map((p, k) => {
          const t = target[k] ?? 0;
          return -t * Math.log(clipped(p)) - (1 - t) * Math.log(1 - clipped(p));
        }),
      ) / prediction.length,
  },
  binary_crossentropy: {
    samples: [
      { prediction: [1.3, -0.4], target: [1, 0] },
      { prediction: [-2.1, 0.8], target: [0.25, 0] },
    ],
    formula: ({ prediction, target }) =>
      sum(
        prediction.map((z, k) => {
          const p = 1 / (1 + Math.exp(-z));
          return -(target[k] ?? 0) * Math.log(p) - (1 - (target[k] ?? 0)) * Math.log(1 - p);
        }),
      ) / prediction.length,
  },
  mean_squared_error: {
    samples: [
      { prediction: [1.3, -0.4, 2], target: [1, 0, 2.5] },
      { prediction: [-2.1, 0.8, 0.1], target: [0.25, 0, 0] },
    ],
    formula: ({ prediction, target }) =>
      sum(prediction.map((p, k) => (p - (target[k] ?? 0)) ** 2)) / prediction.length,
  },
};

/** Losses [N] and the gradient of their sum by the predictions [N, K]. */
async function compute(
  name: LossName,
  samples: readonly Sample[],
): Promise<{ readonly losses: number[]; readonly gradient: number[] }> {
  const loss: Loss = losses[name];
  const width = samples[0]?.prediction.length ?? 0;
  const graph = new GraphBuilder();
  const prediction = graph.input('prediction', 'float32', ['n', width]);
  const isNumber = loss.targets === 'numbers';
  const target = isNumber
    ? graph.input('target', 'int64', ['n'])
    : graph.input('target', 'float32', ['n', width]);
  const { losses: each, constants = [] } = loss.emit(graph, prediction, target);
  const seed = graph.input('seed', 'float32', ['n']);
  const [gradient] = backward(graph, { loss: each, seed, targets: [prediction], constants });
  for (const value of [each, gradient]) if (value) graph.output(value);
  const session = await openSession(encodeModel(graph, { name }));
  const flat = samples.flatMap((sample) => sample.target);
  const targets: Tensor = isNumber
    ? { dtype: 'int64', shape: [samples.length], data: BigInt64Array.from(flat, BigInt) }
    : { dtype: 'float32', shape: [samples.length, width], data: Float32Array.from(flat) };
  try {
    const results = await session.run({
      prediction: {
        dtype: 'float32',
        shape: [samples.length, width],
        data: Float32Array.from(samples.flatMap((sample) => sample.prediction)),
      },
      target: targets,
      seed: {
        dtype: 'float32',
        shape: [samples.length],
        data: new Float32Array(samples.length).fill(1),
      },
    });
    const numbers = (value: string | undefined): number[] =>
      Array.from(results[value ?? '']?.data ?? [], Number);
    return { losses: numbers(each.name), gradient: numbers(gradient?.name) };
  } finally {
    await session.close();
  }
}

it('has a check for every loss of the table', () => {
  expect(Object.keys(cases)).toEqual(Object.keys(losses));
});

const names = Object.keys(losses).filter((name): name is LossName => name in losses);

describe.each(names)('%s', (name) => {
  const { samples, formula } = cases[name];

  it('has the values of its formula', async () => {
    const found = await compute(name, samples);
    expectClose(found.losses, samples.map(formula), { rtol: 1e-6, atol: 1e-6 });
  });

  it('has a gradient that agrees with central differences of its formula', async () => {
    const { gradient } = await compute(name, samples);
    const step = 1e-5;
    const expected = samples.flatMap((sample) =>
      sample.prediction.map((value, k) => {
        const at = (moved: number): number =>
          formula({ ...sample, prediction: sample.prediction.with(k, moved) });
        return (at(value + step) - at(value - step)) / (2 * step);
      }),
    );
    expectClose(gradient, expected, { rtol: 1e-4, atol: 1e-5 });
  });
});

describe('a prediction that is wrong with full confidence', () => {
  it('still has a gradient when the loss is taken of the logits', async () => {
    const sample = { prediction: [60, -60], target: [0, 1] };
    const found = await compute('categorical_crossentropy', [sample]);
    expect(found).toEqual({ losses: [120], gradient: [1, -1] });
  });

  it("has none when Keras' clipping is followed, and the loss stops at 16.118", async () => {
    const sample = { prediction: [1, 0], target: [0, 1] };
    const {
      losses: [loss],
      gradient,
    } = await compute('keras_categorical_crossentropy', [sample]);
    expect(loss).toBeCloseTo(-Math.log(1e-7), 4);
    expect(gradient).toEqual([0, 0]);
  });

  it('does not overflow in the binary loss', async () => {
    const found = await compute('binary_crossentropy', [{ prediction: [200], target: [0] }]);
    expect(found).toEqual({ losses: [200], gradient: [1] });
  });
});

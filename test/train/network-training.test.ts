import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { floatSource } from '../../src/source.ts';
import type { Batch } from '../../src/train/network-feeds.ts';
import type { NetworkPlan } from '../../src/train/network-plan.ts';
import { type NetworkOptions, openNetworkTraining } from '../../src/train/network-training.ts';
import { makeOptimizer, type OptimizerOptions } from '../../src/train/optimizers.ts';
import { RandomState } from '../../src/train/random.ts';
import { expectClose } from '../tolerance.ts';

const sgd = makeOptimizer({ name: 'sgd', learningRate: 1 });

/** y = x · w with one weight for each of two numbers: with the squared error all can be worked out in the head. */
function linear(settings: Partial<NetworkPlan> = {}): NetworkPlan {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['n', 2]);
  const w = graph.initializer('w', floatSource([2, 1], [1, 2]));
  graph.output(graph.add('MatMul', [x, w]));
  return {
    graph,
    parameters: [{ name: 'w' }],
    loss: 'mean_squared_error',
    optimizer: sgd,
    batchSize: 1,
    ...settings,
  };
}

const one: Batch = { inputs: [Float32Array.of(3, 1)], targets: Float32Array.of(4), count: 1 };

async function afterSteps(
  plan: NetworkPlan,
  batches: readonly Batch[],
  options: NetworkOptions & { readonly learningRate?: number } = {},
) {
  const training = await openNetworkTraining(plan, options);
  try {
    const losses: number[] = [];
    for (const [seed, batch] of batches.entries()) {
      const { learningRate = plan.optimizer.learningRate } = options;
      losses.push((await training.step(batch, { learningRate, seed })).loss);
    }
    return { losses, w: [...(training.parameters().get('w') ?? [])] };
  } finally {
    await training.close();
  }
}

describe('a step', () => {
  // y = 5, so the error is 1, its square 1, the gradient 2 · 1 · (3, 1).
  it('moves the parameters against the gradient', async () => {
    expect(await afterSteps(linear(), [one])).toEqual({ losses: [1], w: [-5, 0] });
  });

  it('takes the rate of each parameter times its own factor', async () => {
    const plan = linear({ parameters: [{ name: 'w', rate: 0.5 }] });
    for (const update of ['graph', 'pieces'] as const) {
      expect((await afterSteps(plan, [one], { update })).w).toEqual([-2, 1]);
    }
  });

  // The penalty is 0.5 · (1 + 4) + 0.25 · (1 + 2), its gradient 2 · 0.5 · (1, 2) + 0.25 · (1, 1).
  it('adds penalties to the loss and to the gradient', async () => {
    const plan = linear({ parameters: [{ name: 'w', l1: 0.25, l2: 0.5 }] });
    for (const update of ['graph', 'pieces'] as const) {
      const expected = { losses: [4.25], w: [-6.25, -2.25] };
      expect(await afterSteps(plan, [one], { update })).toEqual(expected);
    }
  });

  // 1 - 1 · 0.1 of each weight is left before the step.
  it('decays weights unless told not to', async () => {
    const optimizer = makeOptimizer({ name: 'sgd', learningRate: 1, weightDecay: 0.1 });
    for (const update of ['graph', 'pieces'] as const) {
      const decayed = await afterSteps(linear({ optimizer }), [one], { update });
      expectClose(decayed.w, [0.9 - 6, 1.8 - 2]);
      const parameters = [{ name: 'w', decay: false }];
      expect((await afterSteps(linear({ optimizer, parameters }), [one], { update })).w).toEqual([
        -5, 0,
      ]);
    }
  });

  // The gradient (6, 2) has the norm √40.
  it('makes gradients shorter by norm, alone or together, after the penalties', async () => {
    const scale = 2 / Math.sqrt(40);
    for (const kind of ['clipnorm', 'globalClipnorm'] as const) {
      const optimizer = makeOptimizer({ name: 'sgd', learningRate: 1, [kind]: 2 });
      for (const update of ['graph', 'pieces'] as const) {
        const { w } = await afterSteps(linear({ optimizer }), [one], { update });
        expectClose(w, [1 - 6 * scale, 2 - 2 * scale]);
      }
    }
  });

  it('counts each row by its weight, by the rules of each generation', async () => {
    const batch: Batch = {
      inputs: [Float32Array.of(3, 1, 3, 1)],
      targets: Float32Array.of(4, 4),
      count: 2,
      weights: Float32Array.of(0, 3),
    };
    const keras1 = makeOptimizer({ name: 'sgd', keras: 1, learningRate: 1 });
    expect((await afterSteps(linear({ batchSize: 2 }), [batch])).losses).toEqual([1.5]);
    const plan = linear({ batchSize: 2, optimizer: keras1 });
    expect((await afterSteps(plan, [batch])).losses).toEqual([3]);
  });

  it('refuses more rows than the plan says', async () => {
    const two: Batch = { ...one, inputs: [Float32Array.of(3, 1, 3, 1)], count: 2 };
    await expect(afterSteps(linear(), [two])).rejects.toThrow(
      'A batch of at most 1 rows was expected, but it has 2',
    );
  });

  it('leaves everything as it was when the loss is not a number', async () => {
    const training = await openNetworkTraining(linear());
    try {
      const bad = { ...one, inputs: [Float32Array.of(Number.NaN, 1)] };
      await expect(training.step(bad, { learningRate: 1 })).rejects.toThrow(
        expect.objectContaining({ code: 'TRAINING_DIVERGED' }),
      );
      expect([...(training.parameters().get('w') ?? [])]).toEqual([1, 2]);
      expect(training.state().iteration).toBe(0);
    } finally {
      await training.close();
    }
  });

  it('names a weight that the network lacks', async () => {
    await expect(openNetworkTraining(linear({ parameters: [{ name: 'v' }] }))).rejects.toThrow(
      'The network has no weight "v"',
    );
  });
});

describe('dropout', () => {
  const plan = linear({ dropout: [{ at: 'x', rate: 0.5 }] });

  it('drops by the seed of the step: equal seeds drop the same', async () => {
    const many = Array.from({ length: 6 }, () => one);
    const first = await afterSteps(plan, many, { learningRate: 0 });
    expect(await afterSteps(plan, many, { learningRate: 0 })).toEqual(first);
    // x is (0 or 6, 0 or 2), y one of 0, 4, 6, 10.
    expect(new Set(first.losses).size).toBeGreaterThan(1);
    for (const loss of first.losses) expect([16, 0, 4, 36]).toContain(loss);
  });

  it('does not drop when it judges', async () => {
    const training = await openNetworkTraining(plan);
    try {
      expect(await training.evaluate(one)).toMatchObject({ loss: 1, count: 1 });
    } finally {
      await training.close();
    }
  });
});

/** A convolution with a normalisation and a large dense layer: every form of a step. */
function large(options: OptimizerOptions): { readonly plan: NetworkPlan; readonly batch: Batch } {
  const random = new RandomState(11);
  const graph = new GraphBuilder();
  const parameters: { name: string }[] = [];
  const weight = (name: string, shape: number[], scale: number) => {
    const size = shape.reduce((a, b) => a * b, 1);
    parameters.push({ name });
    return graph.initializer(name, floatSource(shape, random.uniform(-scale, scale, size)));
  };
  const x = graph.input('x', 'float32', ['n', 128, 6, 5]);
  const window = { kernel_shape: [3, 3], strides: [1, 1], dilations: [1, 1], group: 1 };
  const maps = graph.add(
    'Conv',
    [x, weight('w1', [128, 128, 3, 3], 0.05), weight('b1', [128], 0.1)],
    {
      ...window,
      pads: [1, 1, 1, 1],
    },
  );
  const ones = (name: string) =>
    graph.initializer(name, floatSource([128], new Float32Array(128).fill(1)));
  const normal = graph.add(
    'BatchNormalization',
    [maps, weight('gamma', [128], 1), weight('beta', [128], 1), ones('mean'), ones('variance')],
    { epsilon: 1e-3 },
  );
  const flat = graph.add('Flatten', [graph.add('Relu', [normal])], { axis: 1 });
  const wide = graph.add(
    'Gemm',
    [flat, weight('w2', [3840, 1104], 0.03), weight('b2', [1104], 0)],
    {},
  );
  const scores = graph.add('Gemm', [graph.add('Relu', [wide]), weight('w3', [1104, 3], 0.03)], {});
  graph.output(graph.add('Softmax', [scores], { axis: -1 }));
  return {
    plan: {
      graph,
      parameters,
      batchNormalization: { momentum: 0.9 },
      dropout: [{ at: flat.name, rate: 0.25 }],
      loss: 'sparse_categorical_crossentropy',
      optimizer: makeOptimizer(options),
      batchSize: 4,
    },
    batch: {
      inputs: [random.uniform(-1, 1, 4 * 128 * 30)],
      targets: BigInt64Array.of(0n, 2n, 1n, 2n),
      count: 4,
    },
  };
}

async function threeSteps(plan: NetworkPlan, batch: Batch, update: 'graph' | 'pieces') {
  const training = await openNetworkTraining(plan, { update });
  try {
    const losses: number[] = [];
    for (let seed = 0; seed < 3; seed++) {
      losses.push((await training.step(batch, { learningRate: 0.01, seed })).loss);
    }
    return { losses, tensors: training.state().tensors };
  } finally {
    await training.close();
  }
}

describe('a large network', () => {
  it.each(['graph', 'pieces'] as const)(
    'goes on from a state to the bit, updated in %s',
    async (update) => {
      const { plan, batch } = large({ name: 'adam', learningRate: 0.01 });
      const training = await openNetworkTraining(plan, { update });
      try {
        await training.step(batch, { learningRate: 0.01, seed: 1 });
        const { iteration, tensors } = training.state();
        const kept = new Map([...tensors].map(([name, numbers]) => [name, numbers.slice()]));
        const expected = await training.step(batch, { learningRate: 0.01, seed: 2 });
        const after = [...training.state().tensors].map(([, numbers]) => numbers.slice());
        training.load({ iteration, tensors: kept });
        expect(await training.step(batch, { learningRate: 0.01, seed: 2 })).toEqual(expected);
        const again = [...training.state().tensors].map(([, numbers]) => numbers);
        expect(again.every((numbers, i) => numbers.every((n, k) => n === after[i]?.[k]))).toBe(
          true,
        );
        expect(training.state().tensors.has('variance')).toBe(true);
      } finally {
        await training.close();
      }
    },
  );

  it('learns the same piece by piece as in one graph', async () => {
    const { plan, batch } = large({ name: 'sgd', learningRate: 0.01, momentum: 0.9 });
    const results = await Promise.all(
      (['graph', 'pieces'] as const).map(async (update) => threeSteps(plan, batch, update)),
    );
    const [graph, pieces] = results;
    if (!graph || !pieces) throw new Error('there are two forms');
    expectClose(pieces.losses, graph.losses);
    for (const [name, numbers] of graph.tensors) {
      expectClose(pieces.tensors.get(name) ?? [], numbers);
    }
    expect(graph.losses[2]).toBeLessThan(graph.losses[0] ?? 0);
  });
});

describe('label smoothing', () => {
  // log 2 for equal scores, whatever the targets are; the gradient by each score is 1/2 - t.
  it('spreads a share of the target over the classes', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', ['n', 1]);
    const w = graph.initializer('w', floatSource([1, 2], [0, 0]));
    graph.output(graph.add('Softmax', [graph.add('MatMul', [x, w])], { axis: -1 }));
    const plan: NetworkPlan = {
      graph,
      parameters: [{ name: 'w' }],
      loss: 'categorical_crossentropy',
      labelSmoothing: 0.2,
      optimizer: sgd,
      batchSize: 1,
    };
    const batch = { inputs: [Float32Array.of(1)], targets: Float32Array.of(1, 0), count: 1 };
    const { losses, w: moved } = await afterSteps(plan, [batch]);
    expectClose(losses, [Math.log(2)]);
    expectClose(moved, [0.4, -0.4]);
    const sparse = { ...plan, loss: 'sparse_categorical_crossentropy' } as const;
    await expect(openNetworkTraining(sparse)).rejects.toThrow('Labels should be smoothed');
  });
});

describe('a loss', () => {
  it('refuses a network whose end it does not undo', async () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', ['n', 1]);
    const w = graph.initializer('w', floatSource([1, 2], [0, 0]));
    graph.output(graph.add('Relu', [graph.add('MatMul', [x, w])]));
    const plan = { ...linear(), graph, loss: 'categorical_crossentropy' } as const;
    await expect(openNetworkTraining(plan)).rejects.toThrow(
      'ends in Relu, where Softmax or nothing is expected',
    );
  });
});

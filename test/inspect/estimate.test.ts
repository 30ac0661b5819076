import { describe, expect, it } from 'vitest';
import {
  inferenceMemory,
  learningLines,
  stateCopies,
  type Trainable,
  trainingMemory,
} from '../../src/inspect/estimate.ts';
import type { Line } from '../../src/inspect/lines.ts';
import { vgg16Lines } from './vgg16.ts';

const vgg16 = vgg16Lines();
const weights = 138_357_544 * 4;
const batch16 = { batch: 16, width: 4 };

function line(name: string, activations: number, inputs: readonly number[]): Line {
  const shape = [null, activations];
  const counts = { parameters: 0, trainable: 0, isFrozen: false, weightBytes: 0 };
  return { ...counts, name, class: 'Some', shape, inputs, activations };
}

describe('memory for running', () => {
  // At conv1_2, two outputs of 64 × 224 × 224 live at once
  it('is the weights and the worst moment of the activations', () => {
    const estimate = inferenceMemory(vgg16, batch16);
    const activations = 2 * 64 * 224 * 224 * 4 * 16;
    expect(estimate.parts).toEqual({ weights, activations, gradients: 0, state: 0 });
    expect(estimate.bytes).toBe(weights + activations);
    expect(estimate.formula).toContain('at "conv1_2": 6,422,528 × 4 B × batch 16');
  });

  it('keeps an output until its last reader', () => {
    const lines = [
      line('x', 10, []),
      line('a', 1, [0]),
      line('b', 1, [1]),
      line('sum', 10, [0, 2]),
    ];
    expect(inferenceMemory(lines, { batch: 1, width: 4 }).bytes).toBe((10 + 1 + 10) * 4);
  });

  it('keeps what a view looks at', () => {
    const lines = [
      line('x', 10, []),
      line('view', 0, [0]),
      line('a', 1, [0]),
      line('b', 5, [1, 2]),
    ];
    expect(inferenceMemory(lines, { batch: 1, width: 4 }).bytes).toBe((10 + 1 + 5) * 4);
  });

  it('says how many sizes it does not know', () => {
    const lines = [line('x', 10, []), { ...line('y', 0, [0]), activations: undefined }];
    expect(inferenceMemory(lines, { batch: 1, width: 4 }).uncounted).toBe(1);
  });
});

describe('memory for training', () => {
  // 15,087,080 numbers from conv1_1 on, each with its gradient, and the 150,528 of the Lambda
  it('of all layers with Adam is four copies of the weights and two of the activations', () => {
    const estimate = trainingMemory(vgg16, { ...batch16, trainable: 'all', optimizer: 'adam' });
    expect(estimate.parts).toEqual({
      weights,
      gradients: weights,
      state: 2 * weights,
      activations: (2 * 15_087_080 + 150_528) * 4 * 16,
    });
  });

  it('of the head needs a gradient for the last layer only', () => {
    const estimate = trainingMemory(vgg16, { ...batch16, trainable: 'head', optimizer: 'sgd' });
    expect(estimate.parts).toEqual({
      weights,
      gradients: 4_097_000 * 4,
      state: 0,
      // Running the frozen part takes more than the 4,096 + 2 × 1,000 numbers that are kept
      activations: 6_422_528 * 4 * 16,
    });
  });

  it.each([
    ['sgd', 0],
    ['momentum', 1],
    ['rmsprop', 1],
    ['adam', 2],
  ] as const)('has the state of %s', (optimizer, copies) => {
    const { parts } = trainingMemory(vgg16, { ...batch16, trainable: ['fc3'], optimizer });
    expect(parts.state).toBe(copies * 4_097_000 * 4);
    expect(stateCopies[optimizer]).toBe(copies);
  });

  it('shows its sum in words', () => {
    const { formula } = trainingMemory(vgg16, { ...batch16, trainable: 'all', optimizer: 'adam' });
    expect(formula).toContain('gradients 527.8 MiB (138,357,544 × 4 B)');
    expect(formula).toContain('(2 × 15,087,080 + 150,528 that flow in) × 4 B × batch 16');
  });
});

function learning(trainable: Trainable): readonly (string | undefined)[] {
  return learningLines(vgg16, trainable).map((at) => vgg16[at]?.name);
}

describe('the layers that learn', () => {
  it('are the last one, the dense ones, or those named', () => {
    expect(learning('head')).toEqual(['fc3']);
    expect(learning('dense')).toEqual(['fc1', 'fc2', 'fc3']);
    expect(learning(['conv5_3', 'fc3'])).toEqual(['conv5_3', 'fc3']);
    expect(learning('all')).toHaveLength(16);
  });

  it.each([[['fc4']], [['pool1']]])('are not %s', (trainable) => {
    expect(() => learning(trainable)).toThrow(/fc1/);
    expect(() => learning(trainable)).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }));
  });
});

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { denseHead, emitHead } from '../../src/train/head.ts';

const kernel = (seed: number) => denseHead({ features: 5, classes: 3, seed }).parameters[0];

describe('denseHead', () => {
  it("starts as Keras' glorot_uniform with a zero bias", () => {
    const [weights, bias] = denseHead({ features: 4096, classes: 2 }).parameters;
    const limit = Math.sqrt(6 / 4098);
    const numbers = weights?.numbers ?? new Float32Array(0);
    expect(weights?.shape).toEqual([4096, 2]);
    expect(Math.max(...numbers)).toBeGreaterThan(0.99 * limit);
    expect(Math.max(...numbers.map(Math.abs))).toBeLessThanOrEqual(limit);
    // The mean of 8,192 uniform numbers has a deviation of limit / √(3 · 8192); five of them are allowed.
    const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
    expect(Math.abs(mean)).toBeLessThan((5 * limit) / Math.sqrt(3 * 8192));
    expect([...(bias?.numbers ?? [])]).toEqual([0, 0]);
  });

  it('is the same for the same seed only', () => {
    expect(kernel(1)).toEqual(kernel(1));
    expect(kernel(1)).not.toEqual(kernel(2));
  });
});

describe('emitHead', () => {
  it('flattens maps before the product', () => {
    const graph = new GraphBuilder();
    const feature = graph.input('pool', 'float32', ['N', 2, 1, 3]);
    const head = denseHead({ features: 6, classes: 2 });
    const numbers = head.parameters.map((parameter) => parameter.numbers);
    const output = emitHead(graph, head, feature, numbers);
    expect(output).toMatchObject({ name: 'head', shape: ['N', 2] });
    expect(graph.nodes.map(({ op, name }) => `${op} ${name}`)).toEqual([
      'Flatten head/Flatten',
      'Gemm head/Gemm',
      'Softmax head/Softmax',
    ]);
  });
});

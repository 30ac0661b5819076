import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/onnx/graph.ts';
import { buildHead, type HeadPlan } from '../../../src/train/heads/build.ts';
import { parseHead } from '../../../src/train/heads/head-text.ts';

describe('parseHead', () => {
  it('reads what people write', () => {
    expect(parseHead('flatten, dense 256 relu, dropout 0.5, dense')).toEqual([
      { kind: 'flatten' },
      { kind: 'dense', units: 256, activation: 'relu' },
      { kind: 'dropout', rate: 0.5 },
      { kind: 'dense', units: undefined, activation: undefined },
    ]);
    expect(parseHead('GAP, batchnorm, Dense sigmoid')).toEqual([
      { kind: 'gap' },
      { kind: 'batchnorm' },
      { kind: 'dense', units: undefined, activation: 'sigmoid' },
    ]);
  });

  it.each([
    ['flatten, dens 256', 'Part 2 of the head, "dens 256", is not understood'],
    ['dense 256 swish, dense', 'Part 1 of the head, "dense 256 swish", is not understood'],
    ['dropout 1.5, dense', 'Part 1 of the head, "dropout 1.5", is not understood'],
    ['dense relu, dense', 'Part 1 of the head, "dense relu", needs a number of units'],
    ['gap', 'has no dense layer'],
    ['dense, dropout 0.5', 'should end in a dense layer, not in dropout'],
    ['constructor, dense', 'is not understood'],
  ])('refuses "%s" and says why', (text, why) => {
    expect(() => parseHead(text)).toThrow(why);
  });
});

function plan(text: string): HeadPlan {
  return { layers: parseHead(text), outputs: 3, activation: 'softmax', seed: 0, name: 'head' };
}

describe('buildHead', () => {
  it('makes layers with Keras’ first weights', () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', ['n', 4, 2, 2]);
    const { output, records } = buildHead(
      graph,
      x,
      plan('flatten, dense 8 relu, batchnorm, dropout 0.25, dense'),
    );
    expect(output).toMatchObject({ name: 'head', shape: ['n', 3] });
    expect(records.map(({ name, class: kind }) => `${name} ${kind}`)).toEqual([
      'head_flatten Flatten',
      'head_dense Dense',
      'head_batchnorm BatchNormalization',
      'head_dropout Dropout',
      'head Dense',
    ]);
    expect(records[3]).toMatchObject({ output: 'head_batchnorm', rate: 0.25 });
    const numbers = (name: string, count: number): Float32Array => {
      const bytes = graph.initializers.get(name)?.read(0, count).slice();
      return new Float32Array(bytes?.buffer ?? new ArrayBuffer(0));
    };
    const kernel = numbers('head_dense/kernel', 16 * 8);
    const limit = Math.sqrt(6 / 24);
    expect(Math.max(...kernel.map(Math.abs))).toBeLessThanOrEqual(limit);
    expect(Math.max(...kernel)).toBeGreaterThan(0.9 * limit);
    expect(numbers('head_dense/bias', 8)).toEqual(new Float32Array(8));
    expect(numbers('head_batchnorm/moving_variance', 8)).toEqual(new Float32Array(8).fill(1));
  });

  it('refuses a pool over what is no picture', () => {
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', ['n', 16]);
    expect(() => buildHead(graph, x, plan('gap, dense'))).toThrow('"gap" needs [N, C, H, W]');
  });
});

import { describe, expect, it } from 'vitest';
import { foldNormalizations } from '../../src/convert/fold.ts';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { floatSource } from '../../src/source.ts';
import type { Value } from '../../src/tensor.ts';
import { runGraph } from './run-graph.ts';

const convolution = {
  kernel_shape: [1, 1],
  strides: [1, 1],
  pads: [0, 0, 0, 0],
  dilations: [1, 1],
  group: 1,
} as const;

interface Made {
  readonly graph: GraphBuilder;
  readonly convolved: Value;
}

/** x [N, 1, 1, 1] → two channels 2x + 1 and 3x + 1 (or without the ones) → normalised. */
function made({ hasBias, uses = 1 }: { hasBias: boolean; uses?: number }): Made {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['N', 1, 1, 1]);
  const kernel = graph.initializer('conv/kernel', floatSource([2, 1, 1, 1], [2, 3]));
  const bias = hasBias ? graph.initializer('conv/bias', floatSource([2], [1, 1])) : undefined;
  const inputs = bias ? ([x, kernel, bias] as const) : ([x, kernel] as const);
  const convolved = graph.rename(graph.add('Conv', inputs, convolution), 'conv');
  for (let i = 1; i < uses; i++) graph.output(graph.add('Conv', inputs, convolution));
  // gamma 2, 4; beta 5, 6; mean 1, 2; variance 3, 0 and epsilon 1: factors 2 / 2 and 4 / 1
  const numbers = { gamma: [2, 4], beta: [5, 6], mean: [1, 2], variance: [3, 0] };
  const [gamma, beta, mean, variance] = Object.entries(numbers).map(([name, list]) =>
    graph.initializer(`bn/${name}`, floatSource([2], list)),
  );
  if (!gamma || !beta || !mean || !variance) throw new Error('Four weights were made');
  const y = graph.add('BatchNormalization', [convolved, gamma, beta, mean, variance], {
    epsilon: 1,
  });
  graph.output(graph.rename(y, 'bn'));
  return { graph, convolved };
}

async function answer(graph: GraphBuilder): Promise<number[]> {
  const x = { shape: [1, 1, 1, 1], data: Float32Array.of(10) };
  const results = await runGraph(graph, [x]);
  return [...(results.get('bn')?.data ?? [])];
}

describe('a BatchNormalization after a Conv', () => {
  it('becomes part of its kernel and bias', async () => {
    const { graph } = made({ hasBias: true });
    expect([...foldNormalizations(graph).keys()]).toEqual(['conv']);
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Conv']);
    expect([...graph.initializers.keys()]).toEqual(['conv/kernel', 'conv/bias']);
    // (21 - 1) · 1 + 5 and (31 - 2) · 4 + 6
    expect(await answer(graph)).toEqual([25, 122]);
  });

  it('gives a Conv without bias one', async () => {
    const { graph } = made({ hasBias: false });
    expect(foldNormalizations(graph).get('conv')?.name).toBe('conv/bias');
    expect(await answer(graph)).toEqual([24, 118]);
  });

  it.each([
    ['the kernel is shared with another Conv', made({ hasBias: true, uses: 2 })],
    ['its input is an output too', made({ hasBias: true })],
    ['another node takes its input too', made({ hasBias: true })],
  ])('stays where %s', async (reason, { graph, convolved }) => {
    if (reason.includes('output')) graph.output(convolved);
    if (reason.includes('node')) graph.output(graph.add('Relu', [convolved]));
    expect(foldNormalizations(graph).size).toBe(0);
    expect(await answer(graph)).toEqual([25, 122]);
  });
});

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/onnx/graph.ts';
import { sourceOf } from '../../../src/source.ts';
import { stepGraph } from '../../../src/train/network-graph.ts';
import { neverWhole } from '../../../src/train/network-pieces.ts';
import { makeOptimizer, type OptimizerOptions } from '../../../src/train/optimizers.ts';
import { partMemory } from '../../../src/train/plan/sites.ts';

const width = 2048;
const batchSize = 8;

/** Two dense layers, of which the first is just large enough for its gradient never to be whole. */
function plan(options: Partial<OptimizerOptions> = {}) {
  const graph = new GraphBuilder();
  const weight = (name: string, shape: readonly number[]) =>
    graph.initializer(
      name,
      sourceOf('float32', shape, (_, count) => new Uint8Array(4 * count)),
    );
  const x = graph.input('x', 'float32', ['n', width]);
  const inner = graph.add(
    'Gemm',
    [x, weight('large', [width, width]), weight('bias', [width])],
    {},
  );
  graph.output(graph.add('Gemm', [inner, weight('small', [width, 3])], {}));
  const parameters = ['large', 'bias', 'small'];
  const optimizer = makeOptimizer({ name: 'adam', ...options });
  return { graph, parameters, optimizer };
}

function memoryOf(
  { graph, parameters, optimizer }: ReturnType<typeof plan>,
  provider: 'cpu' | 'cuda',
) {
  const named = parameters.map((name) => ({ name }));
  const inFactors = neverWhole({ graph, parameters: named, optimizer }, provider);
  return { inFactors, ...partMemory(graph, { parameters, inFactors, slots: 2, batchSize }) };
}

describe('partMemory', () => {
  it('counts the two factors of a large gradient, as which the step puts it out', () => {
    const given = plan();
    const { inFactors, gradients, state } = memoryOf(given, 'cpu');
    expect([...inFactors]).toEqual(['large']);
    expect(gradients).toBe(4 * (batchSize * 2 * width + width + 3 * width));
    expect(state).toBe(2 * 4 * (width * width + width + 3 * width));
    const { fetches } = stepGraph(
      {
        ...given,
        parameters: given.parameters.map((name) => ({ name })),
        loss: 'categorical_crossentropy',
        batchSize,
      },
      { provider: 'cpu', update: 'pieces' },
    );
    const isFactored = fetches.gradients.map((gradient) => typeof gradient === 'object');
    expect(isFactored).toEqual([true, false, false]);
  });

  it.each([
    ['where gradients are limited by their norm', plan({ clipnorm: 1 }), 'cpu'],
    ['where a provider updates in the graph', plan(), 'cuda'],
  ] as const)('counts the whole gradient %s', (_, given, provider) => {
    const { gradients } = memoryOf(given, provider);
    expect(gradients).toBe(4 * (width * width + width + 3 * width));
  });
});

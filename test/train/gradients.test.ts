import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { backward } from '../../src/train/backward.ts';
import { gradients } from '../../src/train/gradients.ts';
import { checkDifferences } from './difference.ts';
import { moreCases } from './more-cases.ts';
import { numberCases } from './number-cases.ts';
import { recurrentCases } from './recurrent-cases.ts';
import { tensorCases } from './tensor-cases.ts';

const cases = { ...numberCases, ...tensorCases, ...moreCases, ...recurrentCases };

it('has a difference check for every row of the table', () => {
  expect(Object.keys(cases).toSorted()).toEqual(Object.keys(gradients).toSorted());
});

for (const [op, forms] of Object.entries(cases)) {
  describe(op, () => {
    it.each(forms)('agrees with central differences: %s', async (_, inputs, emit) => {
      await checkDifferences({ inputs, emit });
    });
  });
}

describe('where a function has a kink', () => {
  it('lets no gradient of Relu through at 0', () => {
    const graph = new GraphBuilder();
    const a = graph.input('a', 'float32', [1]);
    const y = graph.add('Relu', [a]);
    backward(graph, { loss: y, seed: graph.floats('r', [1], [1]), targets: [a] });
    expect(graph.nodes.map((node) => node.op)).toEqual(['Relu', 'Greater', 'Where']);
  });
});

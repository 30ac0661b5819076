import { describe, expect, it } from 'vitest';
import { ToolkitError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import type { Value } from '../../src/tensor.ts';
import { backward } from '../../src/train/backward.ts';
import { checkDifferences, numbers } from './difference.ts';

const input = (shape: readonly number[], salt = 0) => ({ shape, numbers: numbers(shape, salt) });

describe('backward', () => {
  it('adds up the gradients of a value that is used more than once', async () => {
    await checkDifferences({
      inputs: [input([2, 3])],
      emit(graph, [a]) {
        const square = graph.add('Mul', [a, a]);
        return graph.add('Add', [graph.add('Mul', [square, a]), a]);
      },
    });
  });

  it('goes through a small network', async () => {
    await checkDifferences({
      inputs: [input([4, 3]), input([3, 5], 1), input([5], 2), input([5, 2], 1)],
      emit(graph, [a, w, b, v]) {
        const hidden = graph.add('Tanh', [graph.add('Gemm', [a, w, b], {})]);
        return graph.add('Softmax', [graph.add('MatMul', [hidden, v])], { axis: -1 });
      },
    });
  });

  it('gives no gradient to a target that the loss does not depend on', () => {
    const graph = new GraphBuilder();
    const [a, b] = [graph.input('a', 'float32', [2]), graph.input('b', 'float32', [2])];
    const loss = graph.add('Exp', [a]);
    const [da, db] = backward(graph, { loss, seed: a, targets: [a, b] });
    expect([da?.shape, db]).toEqual([[2], undefined]);
  });

  it('adds no nodes for inputs that are not targets', () => {
    const graph = new GraphBuilder();
    const [a, w] = [graph.input('a', 'float32', [2, 3]), graph.input('w', 'float32', [3, 1])];
    const loss = graph.add('MatMul', [graph.add('Relu', [a]), w]);
    backward(graph, { loss, seed: graph.input('r', 'float32', [2, 1]), targets: [w] });
    expect(graph.nodes.map((node) => node.op)).toEqual(['Relu', 'MatMul', 'Gemm']);
  });

  it('takes what it is told for a constant', () => {
    const graph = new GraphBuilder();
    const a = graph.input('a', 'float32', [2]);
    const e = graph.add('Exp', [a]);
    const loss = graph.add('Mul', [a, e]);
    backward(graph, { loss, seed: a, targets: [a], constants: [e] });
    expect(graph.nodes.map((node) => node.op)).toEqual(['Exp', 'Mul', 'Mul']);
  });

  it('names every operator without a rule at once', () => {
    const graph = new GraphBuilder();
    const a = graph.input('a', 'float32', [2, 3, 4]);
    const places = graph.integers('places', Array<number>(24).fill(0), [2, 3, 4]);
    const added = (value: Value) =>
      graph.add('ScatterElements', [value, places, value], { axis: 0, reduction: 'add' });
    const loss = added(graph.add('Relu', [added(a)]));
    const run = () => backward(graph, { loss, seed: loss, targets: [a] });
    expect(run).toThrow(
      'No gradient is known for ScatterElements (loss ← ScatterElements_1 ← Relu ← ScatterElements); ScatterElements (loss ← ScatterElements_1)',
    );
    expect(run).toThrow(ToolkitError);
  });

  it('does not ask for the rule of an operator before the targets', () => {
    const graph = new GraphBuilder();
    const a = graph.input('a', 'float32', [2, 3]);
    const w = graph.input('w', 'float32', [1]);
    const places = graph.integers('places', [0, 0, 0], [1, 3]);
    const fixed = graph.add('ScatterElements', [a, places, a], { axis: 0, reduction: 'add' });
    const loss = graph.add('Mul', [fixed, w]);
    const [dw] = backward(graph, { loss, seed: loss, targets: [w] });
    expect(dw?.shape).toEqual([1]);
  });
});

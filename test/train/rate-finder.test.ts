import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { denseHead, emitHead } from '../../src/train/head.ts';
import { openNetworkTrainer } from '../../src/train/network-trainer.ts';
import { makeOptimizer } from '../../src/train/optimizers.ts';
import { RandomState } from '../../src/train/random.ts';
import { curveOf, sweepRates } from '../../src/train/rate-finder.ts';
import { memoryRows } from '../../src/train/rows.ts';

describe('sweepRates', () => {
  it('leaves weights, slots and counters as they were, to the bit', async () => {
    const head = denseHead({ features: 5, classes: 2 });
    const graph = new GraphBuilder();
    const x = graph.input('x', 'float32', ['n', 5]);
    graph.output(
      emitHead(
        graph,
        head,
        x,
        head.parameters.map(({ numbers }) => numbers),
      ),
    );
    const trainer = await openNetworkTrainer(
      {
        graph,
        parameters: head.parameters.map(({ name }) => ({ name })),
        loss: 'categorical_crossentropy',
        optimizer: makeOptimizer({ name: 'adam' }),
        batchSize: 8,
      },
      {},
    );
    try {
      const random = new RandomState(1);
      const rows = memoryRows(random.uniform(-1, 1, 5 * 40), 5);
      const targets = Float32Array.from({ length: 80 }, (_, i) =>
        i % 4 === 0 || i % 4 === 3 ? 1 : 0,
      );
      const before = trainer.state();
      const { points } = await sweepRates(trainer, { rows, targets }, { batchSize: 8, to: 1e4 });
      expect(points.length).toBeGreaterThan(20);
      expect(points.length).toBeLessThan(101);
      expect(trainer.state()).toEqual(before);
    } finally {
      await trainer.close();
    }
  });
});

describe('curveOf', () => {
  it('finds the fall among the noise of single steps', () => {
    const random = new RandomState(3);
    const points = Array.from({ length: 100 }, (_, i) => {
      const rate = 1e-7 * 1e8 ** (i / 99);
      // A fall of 1 in the middle, at 1e-3, a rise from 1 on, and noise that is steeper between neighbours.
      const fall = 1 / (1 + Math.exp((Math.log10(rate) + 3) * 3));
      const noise = (random.uniform(-0.15, 0.15, 1)[0] ?? 0) + Math.max(0, Math.log10(rate)) * 5;
      return { rate, loss: 1 + fall + noise };
    });
    const { steepest, minimum, points: smoothed } = curveOf(points);
    expect(steepest).toBeGreaterThan(1e-3 / 4);
    expect(steepest).toBeLessThan(4e-3);
    expect(minimum).toBeGreaterThan(1e-4);
    expect(smoothed.map(({ rate }) => rate)).toEqual(points.map(({ rate }) => rate));
  });
});

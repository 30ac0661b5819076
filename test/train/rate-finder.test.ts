import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { denseHead, emitHead } from '../../src/train/head.ts';
import { openNetworkTrainer } from '../../src/train/network-trainer.ts';
import { makeOptimizer } from '../../src/train/optimizers.ts';
import { RandomState } from '../../src/train/random.ts';
import { sweepRates } from '../../src/train/rate-finder.ts';
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

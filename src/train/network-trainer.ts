import type { SessionOptions } from '../runtime/session.ts';
import { evaluated } from './evaluated.ts';
import type { NetworkPlan } from './network-plan.ts';
import { openNetworkTraining } from './network-training.ts';
import { streamSeed } from './random.ts';
import { targetsOf } from './rows.ts';
import type { Examples, Progress, Trainer, TrainerState } from './trainer.ts';

/** Rows of an evaluating run. */
const evaluatedAtOnce = 64;

/** A network whose layers learn, as a trainer. Throws what `openNetworkTraining` throws. */
export async function openNetworkTrainer(
  plan: NetworkPlan,
  options: Pick<SessionOptions, 'provider' | 'threads'>,
): Promise<Trainer> {
  const training = await openNetworkTraining(plan, options);
  const { batchSize } = plan;
  return {
    async epoch({ examples, order, epoch, seed, rate, from, onStep }) {
      let done: Progress = from;
      const batches = examples.rows.batches({ order, batchSize, epoch, from: from.step });
      for await (const rows of batches) {
        const at = done.step * batchSize;
        const own = order.subarray(at, at + batchSize);
        const batch = { inputs: [rows], ...partOf(examples, own), count: own.length };
        const learningRate = rate(done.step);
        const stepSeed = streamSeed(seed, `dropout ${done.step}`);
        const result = await training.step(batch, { learningRate, seed: stepSeed });
        done = {
          step: done.step + 1,
          samples: done.samples + own.length,
          loss: done.loss + result.loss * own.length,
          correct: done.correct + result.correct,
          saturated: done.saturated + result.saturated,
        };
        await onStep?.(done);
      }
      return done;
    },
    async evaluate(examples) {
      return evaluated(examples, evaluatedAtOnce, (inputs, own) =>
        training.evaluate({ inputs: [inputs], ...partOf(examples, own), count: own.length }),
      );
    },
    state: (): TrainerState => {
      const { iteration, tensors } = training.state();
      return { iteration, tensors: copies(tensors) };
    },
    load: (state) => training.load(state),
    parameters: () => copies(training.parameters()),
    close: () => training.close(),
  };
}

function copies(tensors: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
  return new Map([...tensors].map(([name, numbers]) => [name, numbers.slice()]));
}

function partOf({ rows, targets, weights }: Examples, own: Uint32Array) {
  const part = { targets: targetsOf(targets, rows.count, own) };
  if (!weights) return part;
  return { ...part, weights: Float32Array.from(own, (row) => weights[row] ?? 1) };
}
